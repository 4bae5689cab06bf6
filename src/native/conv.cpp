// Convolutions of up to three spatial dimensions, any layout: as a matrix product whose right
// side, the patches of the image, is gathered while it is packed; with few output channels
// directly, row by row.
#include "gemm.h"

namespace {

struct Spec {
  int64_t dtype, batch, groups, in_channels, out_channels;  // channels of one group
  int64_t image[3], kernel[3], out[3];                      // spatial sizes
  int64_t stride[3], pad[3], image_dilation[3], kernel_dilation[3];
  int64_t image_group, image_batch, image_channel, image_step[3];  // strides in elements
  int64_t kernel_group, kernel_out, kernel_in, kernel_step[3];
  int64_t out_group, out_batch, out_channel, out_step[3];
};

int64_t volume(const int64_t* sizes) { return sizes[0] * sizes[1] * sizes[2]; }

// The kernel as a matrix: row p is one tap of one input channel, columns are output channels.
template <class In> struct Taps {
  const Spec* spec;
  const In* data;
  const In* at(int64_t tap) const {
    const Spec& s = *spec;
    const int64_t k2 = tap % s.kernel[2], k1 = tap / s.kernel[2] % s.kernel[1];
    const int64_t rest = tap / (s.kernel[2] * s.kernel[1]);
    return data + rest / s.kernel[0] * s.kernel_in + rest % s.kernel[0] * s.kernel_step[0] +
           k1 * s.kernel_step[1] + k2 * s.kernel_step[2];
  }
  template <class T> void read(int64_t tap, int64_t first, int64_t count, T* out) const {
    const In* from = at(tap) + first * spec->kernel_out;
    for (int64_t i = 0; i < count; i++) out[i] = T(widen(from[i * spec->kernel_out]));
  }
  void read_bits(int64_t tap, int64_t first, int64_t count, uint16_t* out) const {
    const In* from = at(tap) + first * spec->kernel_out;
    for (int64_t i = 0; i < count; i++) std::memcpy(&out[i], &from[i * spec->kernel_out], 2);
  }
  bool packs_itself() const { return false; }
  template <class T> void pack_panel(int64_t, int64_t, int64_t, int64_t, int64_t, T*) const {}
};

// The position in the image under output position `o` and tap `k`, or -1 outside.
int64_t source_position(const Spec& s, int axis, int64_t o, int64_t k) {
  int64_t at = o * s.stride[axis] + k * s.kernel_dilation[axis] - s.pad[axis];
  if (at < 0) return -1;
  if (s.image_dilation[axis] != 1) {
    if (at % s.image_dilation[axis]) return -1;
    at /= s.image_dilation[axis];
  }
  return at < s.image[axis] ? at : -1;
}

// The image as a matrix: row p is a tap, columns are output positions.
template <class In> struct Patches {
  const Spec* spec;
  const In* data;

  // A run of output positions in one row of the output.
  struct Piece {
    int64_t place, count, o0, o1, o2;
  };

  int64_t split(int64_t first, int64_t count, Piece* pieces) const {
    const Spec& s = *spec;
    int64_t found = 0;
    for (int64_t done = 0; done < count; found++) {
      const int64_t position = first + done, o2 = position % s.out[2];
      Piece& piece = pieces[found];
      piece = {done, least(count - done, s.out[2] - o2), position / (s.out[2] * s.out[1]),
               position / s.out[2] % s.out[1], o2};
      done += piece.count;
    }
    return found;
  }

  // Calls emit(step, place, count, first element or null, stride) for rows of taps, in order.
  template <class Emit>
  void visit(int64_t tap, int64_t depth, int64_t first, int64_t count, const Emit& emit) const {
    const Spec& s = *spec;
    Piece pieces[64];
    const int64_t found = split(first, count, pieces);
    int64_t k2 = tap % s.kernel[2], k1 = tap / s.kernel[2] % s.kernel[1];
    int64_t rest = tap / (s.kernel[2] * s.kernel[1]), k0 = rest % s.kernel[0];
    const In* channel = data + rest / s.kernel[0] * s.image_channel;
    for (int64_t step = 0; step < depth; step++) {
      for (int64_t q = 0; q < found; q++) {
        const Piece& piece = pieces[q];
        const int64_t i0 = source_position(s, 0, piece.o0, k0);
        const int64_t i1 = source_position(s, 1, piece.o1, k1);
        if (i0 < 0 || i1 < 0) emit(step, piece.place, piece.count, (const In*)nullptr, int64_t{0});
        else
          row(channel + i0 * s.image_step[0] + i1 * s.image_step[1], piece.place, piece.count,
              piece.o2, k2, [&](int64_t place, int64_t length, const In* from, int64_t stride) {
                emit(step, place, length, from, stride);
              });
      }
      if (++k2 < s.kernel[2]) continue;
      k2 = 0;
      if (++k1 < s.kernel[1]) continue;
      k1 = 0;
      if (++k0 < s.kernel[0]) continue;
      k0 = 0;
      channel += s.image_channel;
    }
  }

  template <class Emit>
  void row(const In* line, int64_t done, int64_t piece, int64_t o2, int64_t k2,
           const Emit& emit) const {
    const Spec& s = *spec;
    if (s.image_dilation[2] != 1) {
      for (int64_t j = 0; j < piece; j++) {
        const int64_t at = source_position(s, 2, o2 + j, k2);
        emit(done + j, int64_t{1}, at < 0 ? nullptr : line + at * s.image_step[2], int64_t{0});
      }
      return;
    }
    const int64_t start = o2 * s.stride[2] + k2 * s.kernel_dilation[2] - s.pad[2];
    if (s.stride[2] == 1 && start >= 0 && start + piece <= s.image[2]) {
      emit(done, piece, line + start * s.image_step[2], s.image_step[2]);
      return;
    }
    const int64_t low = start >= 0 ? 0 : least(piece, ceil_div(-start, s.stride[2]));
    const int64_t high = most(low, least(piece, ceil_div(s.image[2] - start, s.stride[2])));
    if (low > 0) emit(done, low, (const In*)nullptr, int64_t{0});
    if (high > low)
      emit(done + low, high - low, line + (start + low * s.stride[2]) * s.image_step[2],
           s.stride[2] * s.image_step[2]);
    if (piece > high) emit(done + high, piece - high, (const In*)nullptr, int64_t{0});
  }

  template <class T>
  static void copy(T* to, int64_t length, const In* from, int64_t stride) {
    if (!from) for (int64_t i = 0; i < length; i++) to[i] = 0;
    else if (stride != 1) for (int64_t i = 0; i < length; i++) to[i] = T(widen(from[i * stride]));
    else if (std::is_same<T, In>::value) std::memcpy((void*)to, from, size_t(length) * sizeof(T));
    else for (int64_t i = 0; i < length; i++) to[i] = T(widen(from[i]));
  }
  template <class T> void read(int64_t tap, int64_t first, int64_t count, T* out) const {
    visit(tap, 1, first, count, [&](int64_t, int64_t place, int64_t length, const In* from,
                                    int64_t stride) { copy(out + place, length, from, stride); });
  }
  void read_bits(int64_t tap, int64_t first, int64_t count, uint16_t* out) const {
    visit(tap, 1, first, count, [&](int64_t, int64_t place, int64_t length, const In* from,
                                    int64_t stride) {
      for (int64_t i = 0; i < length; i++)
        if (from) std::memcpy(out + place + i, from + i * stride, 2);
        else out[place + i] = 0;
    });
  }
  bool packs_itself() const { return true; }
  template <class T>
  void pack_panel(int64_t first_row, int64_t depth, int64_t first, int64_t count, int64_t width,
                  T* out) const {
    visit(first_row, depth, first, count,
          [&](int64_t step, int64_t place, int64_t length, const In* from, int64_t stride) {
            copy(out + step * width + place, length, from, stride);
          });
    for (int64_t step = 0; step < depth; step++)
      for (int64_t j = count; j < width; j++) out[step * width + j] = 0;
  }
  template <class T> const T* in_place() const { return nullptr; }
  int64_t in_place_stride() const { return 0; }
};

// Where output positions lie at equal distances, C can be written by the product itself.
int64_t position_stride(const Spec& s) {
  int64_t stride = 0, expected = 0;
  for (int axis = 2; axis >= 0; axis--) {
    if (s.out[axis] == 1) continue;
    if (!stride) stride = s.out_step[axis], expected = stride * s.out[axis];
    else if (s.out_step[axis] != expected) return 0;
    else expected *= s.out[axis];
  }
  return stride ? stride : 1;
}

template <class In, class Packed, class Sum>
void by_product(const Spec& s, const In* image, const In* kernel, In* out,
                const TileKernel<Packed, Sum>& tiles) {
  const int64_t positions = volume(s.out), depth = s.in_channels * volume(s.kernel);
  const int64_t step = position_stride(s), calls = s.groups * s.batch;
  auto one = [&](int64_t begin, int64_t end) {
    for (int64_t call = begin; call < end; call++) {
      const int64_t group = call / s.batch, item = call % s.batch;
      Taps<In> taps{&s, kernel + group * s.kernel_group};
      Patches<In> patches{&s, image + group * s.image_group + item * s.image_batch};
      In* to = out + group * s.out_group + item * s.out_batch;
      if (step) {
        Gemm<Packed, Sum, Taps<In>, Patches<In>, In>(tiles, s.out_channels, positions, depth, taps,
                                                     patches, {to, s.out_channel, step, false}).run();
        continue;
      }
      Scratch memory;
      In* dense = memory.get<In>(s.out_channels * positions);
      Gemm<Packed, Sum, Taps<In>, Patches<In>, In>(tiles, s.out_channels, positions, depth, taps,
                                                   patches, {dense, positions, 1, false}).run();
      for (int64_t c = 0; c < s.out_channels; c++)
        for (int64_t p = 0; p < positions; p++)
          to[c * s.out_channel + p % s.out[2] * s.out_step[2] +
             p / s.out[2] % s.out[1] * s.out_step[1] +
             p / (s.out[2] * s.out[1]) * s.out_step[0]] = dense[c * positions + p];
    }
  };
  const double work = double(s.out_channels) * double(positions) * double(depth);
  if (calls >= arrax_num_threads() && calls > 1) parallel(calls, most(1, int64_t(1e6 / (work + 1))), one);
  else one(0, calls);
}

constexpr int64_t kChunk = 64;

// sum[0..64) += weight * line[0..64)
ARRAX_VECTORIZE void accumulate(float* __restrict sum, const float* const* lines,
                                const float* weights, int64_t count) {
  float total[kChunk];
  for (int64_t j = 0; j < kChunk; j++) total[j] = 0;
  for (int64_t i = 0; i < count; i++) {
    const float* line = lines[i];
    const float weight = weights[i];
    for (int64_t j = 0; j < kChunk; j++) total[j] += weight * line[j];
  }
  for (int64_t j = 0; j < kChunk; j++) sum[j] += total[j];
}

// Few output channels, rows of consecutive elements, no holes in the image.
class Direct {
 public:
  Direct(const Spec& s, const float* image, const float* kernel, float* out)
      : s_(s), image_(image), kernel_(kernel), out_(out) {}

  static bool fits(const Spec& s) {
    return s.dtype == kFloat32 && s.out_channels <= 4 && s.stride[2] == 1 &&
           s.image_dilation[2] == 1 && s.image_step[2] == 1 && s.out_step[2] == 1 &&
           s.out[2] >= 16;
  }

  void run() const {
    const int64_t blocks = ceil_div(s_.out[2], 16 * kChunk);
    const int64_t rows = s_.groups * s_.batch * s_.out_channels * s_.out[0] * s_.out[1];
    const int64_t taps = s_.in_channels * volume(s_.kernel);
    const int64_t grain = most(1, 1000000 / (taps * least(s_.out[2], 16 * kChunk) + 1));
    parallel(rows * blocks, grain, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; task++) row(task / blocks, task % blocks);
    });
  }

 private:
  void row(int64_t index, int64_t block) const {
    const int64_t o1 = index % s_.out[1], o0 = index / s_.out[1] % s_.out[0];
    index /= s_.out[1] * s_.out[0];
    const int64_t channel = index % s_.out_channels, item = index / s_.out_channels % s_.batch;
    const int64_t group = index / (s_.out_channels * s_.batch);
    const float* image = image_ + group * s_.image_group + item * s_.image_batch;
    const float* kernel = kernel_ + group * s_.kernel_group + channel * s_.kernel_out;
    float* out = out_ + group * s_.out_group + item * s_.out_batch + channel * s_.out_channel +
                 o0 * s_.out_step[0] + o1 * s_.out_step[1];
    const int64_t first = block * 16 * kChunk, last = least(s_.out[2], first + 16 * kChunk);
    for (int64_t j = first; j < last; j++) out[j] = 0;
    for (int64_t i = 0; i < s_.in_channels; i++)
      for (int64_t k0 = 0; k0 < s_.kernel[0]; k0++)
        for (int64_t k1 = 0; k1 < s_.kernel[1]; k1++) {
          const int64_t i0 = source_position(s_, 0, o0, k0), i1 = source_position(s_, 1, o1, k1);
          if (i0 < 0 || i1 < 0) continue;
          line(image + i * s_.image_channel + i0 * s_.image_step[0] + i1 * s_.image_step[1],
               kernel + i * s_.kernel_in + k0 * s_.kernel_step[0] + k1 * s_.kernel_step[1], out,
               first, last);
        }
  }

  // One row of the image under one row of the kernel.
  void line(const float* image, const float* kernel, float* out, int64_t first, int64_t last) const {
    constexpr int64_t most_taps = 64;
    const float* lines[most_taps];
    float weights[most_taps];
    for (int64_t k = 0; k < s_.kernel[2]; k += most_taps) {
      const int64_t taps = least(most_taps, s_.kernel[2] - k);
      const int64_t reach = (k + taps - 1) * s_.kernel_dilation[2] - s_.pad[2];
      for (int64_t q = 0; q < taps; q++) weights[q] = kernel[(k + q) * s_.kernel_step[2]];
      int64_t j = first;
      const int64_t start = k * s_.kernel_dilation[2] - s_.pad[2];  // under output 0, first tap
      while (j < last) {
        if (j + start >= 0 && j + kChunk <= last && j + kChunk + reach <= s_.image[2]) {
          for (int64_t q = 0; q < taps; q++) lines[q] = image + j + start + q * s_.kernel_dilation[2];
          accumulate(out + j, lines, weights, taps);
          j += kChunk;
          continue;
        }
        for (int64_t q = 0; q < taps; q++) {
          const int64_t at = j + start + q * s_.kernel_dilation[2];
          if (at >= 0 && at < s_.image[2]) out[j] += weights[q] * image[at];
        }
        j++;
      }
    }
  }

  const Spec& s_;
  const float *image_, *kernel_;
  float* out_;
};

}  // namespace

// out[n, o, p] = sum over i and taps t of image[n, i, p * stride + t * dilation - pad] * kernel[o, i, t],
// in groups. Sizes beyond the spatial dimensions in use are 1.
extern "C" void arrax_conv(const int64_t* fields, const void* image, const void* kernel, void* out) {
  Spec s;
  std::memcpy(&s, fields, sizeof(s));
  switch (s.dtype) {
    case kFloat32:
      if (Direct::fits(s))
        return Direct(s, (const float*)image, (const float*)kernel, (float*)out).run();
      return by_product(s, (const float*)image, (const float*)kernel, (float*)out, float32_tiles());
    case kFloat64:
      return by_product(s, (const double*)image, (const double*)kernel, (double*)out, float64_tiles());
    case kInt32: case kUint32:
      return by_product(s, (const int32_t*)image, (const int32_t*)kernel, (int32_t*)out, int32_tiles());
    case kBfloat16:
      if (bfloat16_tiles().tall)
        return by_product(s, (const Bfloat16*)image, (const Bfloat16*)kernel, (Bfloat16*)out,
                          bfloat16_tiles());
      return by_product(s, (const Bfloat16*)image, (const Bfloat16*)kernel, (Bfloat16*)out,
                        float32_tiles());
    case kFloat16:
      return by_product(s, (const Float16*)image, (const Float16*)kernel, (Float16*)out,
                        float32_tiles());
  }
}

ARRAX_SYMBOLS({"arrax_conv", (void*)arrax_conv});
