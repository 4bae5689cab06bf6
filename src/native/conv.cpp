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

// The taps of a kernel, as rows of a matrix: channel by channel, or, where the channels of the image
// lie side by side, all channels of one place of the kernel after the other.
struct Tap {
  int64_t channel, k0, k1, k2;
};

bool channels_last(const Spec& s) { return s.image_channel == 1 && s.in_channels > 1; }

Tap tap_at(const Spec& s, int64_t tap) {
  const int64_t places = volume(s.kernel);
  const int64_t place = channels_last(s) ? tap / s.in_channels : tap % places;
  return {channels_last(s) ? tap % s.in_channels : tap / places,
          place / (s.kernel[2] * s.kernel[1]), place / s.kernel[2] % s.kernel[1],
          place % s.kernel[2]};
}

// The tap `channels` after this one, which stay within one place where channels come last.
void advance(const Spec& s, bool last, int64_t channels, Tap& tap) {
  if (last) {
    tap.channel += channels;
    if (tap.channel < s.in_channels) return;
    tap.channel = 0;
  }
  if (++tap.k2 < s.kernel[2]) return;
  tap.k2 = 0;
  if (++tap.k1 < s.kernel[1]) return;
  tap.k1 = 0;
  if (++tap.k0 < s.kernel[0]) return;
  tap.k0 = 0;
  if (!last) tap.channel++;
}

// The kernel as a matrix: row p is one tap, columns are output channels.
template <class In> struct Taps {
  const Spec* spec;
  const In* data;
  const In* at(int64_t index) const {
    const Spec& s = *spec;
    const Tap tap = tap_at(s, index);
    return data + tap.channel * s.kernel_in + tap.k0 * s.kernel_step[0] +
           tap.k1 * s.kernel_step[1] + tap.k2 * s.kernel_step[2];
  }
  template <class T> void read(int64_t tap, int64_t first, int64_t count, T* out) const {
    const In* from = at(tap) + first * spec->kernel_out;
    for (int64_t i = 0; i < count; i++) out[i] = packed<T>(from[i * spec->kernel_out]);
  }
  bool packs_itself() const { return false; }
  template <class T> void pack_panel(int64_t, int64_t, int64_t, int64_t, int64_t, T*) const {}
  template <class T> const T* in_place() const { return nullptr; }
  int64_t in_place_stride() const { return 0; }
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

// A place of the output: an item of the batch and a position in space. All places are numbered,
// items inside of positions where that makes the longer runs (in gradients by the kernel, whose
// output is small), else outside.
struct Place {
  int64_t item, o0, o1, o2;
};

bool items_inside(const Spec& s) {
  return s.batch > 1 && (s.image_batch == 1 || s.batch > 2 * s.out[2]);
}

Place place_at(const Spec& s, int64_t number) {
  const int64_t positions = volume(s.out);
  const int64_t position = items_inside(s) ? number / s.batch : number % positions;
  return {items_inside(s) ? number % s.batch : number / positions,
          position / (s.out[2] * s.out[1]), position / s.out[2] % s.out[1], position % s.out[2]};
}

// Copies rows of `bytes`, between `part` and twice that, by their two ends.
template <size_t part>
void copy_ends(char* to, int64_t to_step, const char* from, int64_t from_step, int64_t rows,
               size_t bytes) {
  for (int64_t r = 0; r < rows; r++, to += to_step, from += from_step) {
    std::memcpy(to, from, part);
    std::memcpy(to + bytes - part, from + bytes - part, part);
  }
}

// Many short rows of one length: copies of constant size, not one call of memcpy for each.
void copy_rows(char* to, int64_t to_step, const char* from, int64_t from_step, int64_t rows,
               size_t bytes) {
  if (bytes >= 16 && bytes <= 32) return copy_ends<16>(to, to_step, from, from_step, rows, bytes);
  if (bytes > 32 && bytes <= 64) return copy_ends<32>(to, to_step, from, from_step, rows, bytes);
  if (bytes > 64 && bytes <= 128) return copy_ends<64>(to, to_step, from, from_step, rows, bytes);
  for (int64_t r = 0; r < rows; r++) std::memcpy(to + r * to_step, from + r * from_step, bytes);
}

// The image as a matrix: row p is a tap, columns are places of the output.
template <class In> struct Patches {
  const Spec* spec;
  const In* data;

  // A run of places: items at one position, or positions in one row of the output.
  struct Piece {
    int64_t start, count;
    Place first;
  };

  int64_t split(int64_t first, int64_t count, Piece* pieces) const {
    const Spec& s = *spec;
    int64_t found = 0;
    for (int64_t done = 0; done < count; found++) {
      const Place place = place_at(s, first + done);
      const int64_t rest = items_inside(s) ? s.batch - place.item : s.out[2] - place.o2;
      pieces[found] = {done, least(count - done, rest), place};
      done += pieces[found].count;
    }
    return found;
  }

  // Calls emit(step, channels, start, count, first element or null, stride) for the channels under
  // one place of the kernel, for all places: where an item lies is found once for its channels.
  // Their steps are next to each other where channels come last, else volume(kernel) apart.
  template <class Emit>
  void visit(int64_t first_tap, int64_t depth, int64_t first, int64_t count,
             const Emit& emit) const {
    const Spec& s = *spec;
    Piece pieces[64];
    const int64_t found = split(first, count, pieces);
    const bool last = channels_last(s);
    Tap tap = tap_at(s, first_tap);
    const int64_t places = volume(s.kernel), steps = last ? depth : least(depth, places);
    for (int64_t step = 0; step < steps;) {
      const int64_t channels = last ? least(depth - step, s.in_channels - tap.channel)
                                    : ceil_div(depth - step, places);
      for (int64_t q = 0; q < found; q++)
        piece(pieces[q], tap, [&](int64_t start, int64_t length, const In* from, int64_t stride) {
          emit(step, channels, start, length, from, stride);
        });
      advance(s, last, channels, tap);
      step += last ? channels : 1;
    }
  }

  template <class Emit> void piece(const Piece& p, const Tap& tap, const Emit& emit) const {
    const Spec& s = *spec;
    const int64_t i0 = source_position(s, 0, p.first.o0, tap.k0);
    const int64_t i1 = source_position(s, 1, p.first.o1, tap.k1);
    if (i0 < 0 || i1 < 0) return emit(p.start, p.count, (const In*)nullptr, int64_t{0});
    const In* line = data + tap.channel * s.image_channel + p.first.item * s.image_batch +
                     i0 * s.image_step[0] + i1 * s.image_step[1];
    if (!items_inside(s)) return row(line, p.start, p.count, p.first.o2, tap.k2, emit);
    const int64_t i2 = source_position(s, 2, p.first.o2, tap.k2);
    emit(p.start, p.count, i2 < 0 ? nullptr : line + i2 * s.image_step[2], s.image_batch);
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
    const int64_t step = s.stride[2];
    if (step == 1 && start >= 0 && start + piece <= s.image[2])
      return emit(done, piece, line + start * s.image_step[2], s.image_step[2]);
    const int64_t low = start >= 0 ? 0 : least(piece, ceil_div(-start, step));
    const int64_t high = start >= s.image[2]
                             ? low
                             : most(low, least(piece, ceil_div(s.image[2] - start, step)));
    if (low > 0) emit(done, low, (const In*)nullptr, int64_t{0});
    if (high > low)
      emit(done + low, high - low, line + (start + low * step) * s.image_step[2],
           step * s.image_step[2]);
    if (piece > high) emit(done + high, piece - high, (const In*)nullptr, int64_t{0});
  }

  // to[c * width + j] = element (c, j), or 0 outside of the image.
  template <class T>
  void copy(T* to, int64_t width, int64_t channels, int64_t length, const In* from,
            int64_t stride) const {
    constexpr bool as_it_is = std::is_same<T, In>::value || std::is_same<T, uint16_t>::value;
    const int64_t channel = spec->image_channel;
    if (as_it_is && from && stride == 1)
      return copy_rows((char*)to, width * int64_t(sizeof(T)), (const char*)from,
                       channel * int64_t(sizeof(T)), channels, size_t(length) * sizeof(T));
    int64_t c = 0;
    if constexpr (std::is_same<T, float>::value && std::is_same<In, float>::value) {
      for (; from && channel == 1 && c + 4 <= channels; c += 4) {
        int64_t j = 0;
        for (; j + 4 <= length; j += 4)
          transpose4(from + c + j * stride, stride, to + c * width + j, width);
        for (; j < length; j++)
          for (int q = 0; q < 4; q++) to[(c + q) * width + j] = from[c + q + j * stride];
      }
    }
    for (; c < channels; c++) {
      T* row = to + c * width;
      const In* line = from ? from + c * channel : nullptr;
      if (!from) for (int64_t i = 0; i < length; i++) row[i] = 0;
      else if (stride != 1) for (int64_t i = 0; i < length; i++) row[i] = packed<T>(line[i * stride]);
      else for (int64_t i = 0; i < length; i++) row[i] = packed<T>(line[i]);
    }
  }
  template <class T> void read(int64_t tap, int64_t first, int64_t count, T* out) const {
    visit(tap, 1, first, count, [&](int64_t, int64_t, int64_t start, int64_t length,
                                    const In* from, int64_t stride) {
      copy(out + start, 0, 1, length, from, stride);
    });
  }
  bool packs_itself() const { return true; }
  template <class T>
  void pack_panel(int64_t first_row, int64_t depth, int64_t first, int64_t count, int64_t width,
                  T* out) const {
    const int64_t next = channels_last(*spec) ? width : width * volume(spec->kernel);
    visit(first_row, depth, first, count,
          [&](int64_t step, int64_t channels, int64_t start, int64_t length, const In* from,
              int64_t stride) {
            copy(out + step * width + start, next, channels, length, from, stride);
          });
    for (int64_t step = 0; step < depth; step++)
      for (int64_t j = count; j < width; j++) out[step * width + j] = 0;
  }
  template <class T> const T* in_place() const { return nullptr; }
  int64_t in_place_stride() const { return 0; }
};

// Where a product writes: places of the output along its rows or its columns, channels the other
// way. `offsets` holds where places lie.
template <class Out, bool places_are_rows> struct Placed {
  Out* data;
  const int64_t* offsets;
  int64_t channel;
  static constexpr bool add = false;
  Out* at(int64_t i, int64_t j) const {
    return places_are_rows ? data + offsets[i] + j * channel : data + offsets[j] + i * channel;
  }
  int64_t dense(int64_t i, int64_t rows, int64_t j, int64_t columns) const {
    const int64_t first = places_are_rows ? i : j, count = places_are_rows ? rows : columns;
    const int64_t step = count > 1 ? offsets[first + 1] - offsets[first] : 1;
    if (places_are_rows ? channel != 1 : step != 1) return 0;
    for (int64_t q = 1; q < count; q++)
      if (offsets[first + q] - offsets[first] != q * step) return 0;
    return places_are_rows ? step : channel;
  }
};

// One group: the image's patches times the kernel's taps.
template <class In, class Packed, class Sum>
void one_product(const Spec& s, const In* image, const In* kernel, In* out,
                 const int64_t* offsets, const TileKernel<Packed, Sum>& tiles) {
  const int64_t places = s.batch * volume(s.out), depth = s.in_channels * volume(s.kernel);
  const Taps<In> taps{&s, kernel};
  const Patches<In> patches{&s, image};
  // The consecutive elements of the output run along the rows of the product.
  if (s.out_channel == 1 && s.out_channels > 1)
    Gemm<Packed, Sum, Patches<In>, Taps<In>, In, Placed<In, true>>(
        tiles, places, s.out_channels, depth, patches, taps, {out, offsets, 1}).run();
  else
    Gemm<Packed, Sum, Taps<In>, Patches<In>, In, Placed<In, false>>(
        tiles, s.out_channels, places, depth, taps, patches, {out, offsets, s.out_channel}).run();
}

constexpr int64_t kManyPlaces = 1024;  // from which one item fills the columns of a product

template <class In, class Packed, class Sum>
void by_product(const Spec& whole, const In* image, const In* kernel, In* out,
                const TileKernel<Packed, Sum>& tiles) {
  Spec s = whole;
  if (volume(s.out) >= kManyPlaces && s.image_batch != 1) s.batch = 1;
  const int64_t places = s.batch * volume(s.out), batches = whole.batch / s.batch;
  static thread_local Scratch memory;
  int64_t* const offsets = memory.get<int64_t>(places);
  parallel(places, 1 << 15, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; p++) {
      const Place place = place_at(s, p);
      offsets[p] = place.item * s.out_batch + place.o0 * s.out_step[0] +
                   place.o1 * s.out_step[1] + place.o2 * s.out_step[2];
    }
  });
  auto some = [&](int64_t begin, int64_t end) {
    for (int64_t call = begin; call < end; call++) {
      const int64_t group = call / batches, item = call % batches * s.batch;
      one_product(s, image + group * s.image_group + item * s.image_batch,
                  kernel + group * s.kernel_group,
                  out + group * s.out_group + item * s.out_batch, offsets, tiles);
    }
  };
  const double work = double(s.out_channels) * double(places) * double(s.in_channels) *
                      double(volume(s.kernel));
  const int64_t calls = s.groups * batches;
  if (calls >= arrax_num_threads() && calls > 1)
    parallel(calls, most(1, int64_t(1e6 / (work + 1))), some);
  else
    some(0, calls);
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

template <class In> void fill_zero(const Spec& s, In* out) {
  for (int64_t n = 0; n < s.groups * s.batch * s.out_channels; n++) {
    In* to = out + n / (s.batch * s.out_channels) * s.out_group +
             n / s.out_channels % s.batch * s.out_batch + n % s.out_channels * s.out_channel;
    for (int64_t p = 0; p < volume(s.out); p++)
      to[p / (s.out[2] * s.out[1]) * s.out_step[0] + p / s.out[2] % s.out[1] * s.out_step[1] +
         p % s.out[2] * s.out_step[2]] = In{};
  }
}

// Holes between the elements of the image: output positions of equal remainder see the same taps,
// without holes, so that each remainder is a convolution of its own.
template <class In, class Run>
void by_phases(const Spec& s, int axis, const In* kernel, In* out, const Run& run) {
  while (axis < 3 && (s.image_dilation[axis] == 1 || s.stride[axis] != 1 ||
                      s.kernel_dilation[axis] != 1))
    axis++;
  if (axis == 3) {
    if (volume(s.kernel) == 0) fill_zero(s, out);
    else run(s, kernel, out);
    return;
  }
  const int64_t holes = s.image_dilation[axis];
  for (int64_t phase = 0; phase < least(holes, s.out[axis]); phase++) {
    Spec part = s;
    const int64_t first = ((s.pad[axis] - phase) % holes + holes) % holes;  // its first tap
    part.image_dilation[axis] = 1;
    part.out[axis] = ceil_div(s.out[axis] - phase, holes);
    part.out_step[axis] *= holes;
    part.kernel[axis] = most(0, ceil_div(s.kernel[axis] - first, holes));
    part.kernel_step[axis] *= holes;
    part.pad[axis] = (s.pad[axis] - phase - first) / holes;
    by_phases(part, axis + 1, kernel + first * s.kernel_step[axis],
              out + phase * s.out_step[axis], run);
  }
}

template <class In, class Packed, class Sum>
void convolve(const Spec& s, const void* image, const void* kernel, void* out,
              const TileKernel<Packed, Sum>& tiles) {
  by_phases(s, 0, (const In*)kernel, (In*)out, [&](const Spec& part, const In* taps, In* to) {
    if constexpr (std::is_same<In, float>::value) {
      if (Direct::fits(part)) return Direct(part, (const float*)image, taps, to).run();
    }
    by_product(part, (const In*)image, taps, to, tiles);
  });
}

}  // namespace

// out[n, o, p] = sum over i and taps t of image[n, i, p * stride + t * dilation - pad] * kernel[o, i, t],
// in groups. Sizes beyond the spatial dimensions in use are 1.
extern "C" void arrax_conv(const int64_t* fields, const void* image, const void* kernel, void* out) {
  Spec s;
  std::memcpy(&s, fields, sizeof(s));
  switch (s.dtype) {
    case kFloat32: return convolve<float>(s, image, kernel, out, float32_tiles());
    case kFloat64: return convolve<double>(s, image, kernel, out, float64_tiles());
    case kInt32: case kUint32: return convolve<int32_t>(s, image, kernel, out, int32_tiles());
    case kBfloat16:
      if (bfloat16_tiles().tall) return convolve<Bfloat16>(s, image, kernel, out, bfloat16_tiles());
      return convolve<Bfloat16>(s, image, kernel, out, float32_tiles());
    case kFloat16: return convolve<Float16>(s, image, kernel, out, float32_tiles());
  }
}

ARRAX_SYMBOLS({"arrax_conv", library_function<arrax_conv>()});
