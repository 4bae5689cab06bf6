// The plans of Fourier transforms: tables of roots of unity and such, kept for lengths that come
// again. All kinds of plans share one cache of at most 64 MiB and 256 plans; whoever uses a plan holds it.
#pragma once

#include <cstdint>
#include <memory>
#include <typeinfo>

#include "library.h"

// The plan of this kind and length, or null. Marks it as used.
std::shared_ptr<const void> find_plan(const std::type_info& kind, int64_t length);
// Keeps a plan of so many bytes, and drops those used longest ago until all fit.
void keep_plan(const std::type_info& kind, int64_t length, std::shared_ptr<const void> plan,
               size_t bytes);

// The plan for a length: `Plan(length)`, which tells its memory by `bytes()`. It is made without the
// cache's lock, so that making it may ask for others.
template <class Plan> std::shared_ptr<const Plan> plan_of(int64_t length) {
  if (auto found = find_plan(typeid(Plan), length)) return std::static_pointer_cast<const Plan>(found);
  auto made = std::make_shared<const Plan>(length);
  keep_plan(typeid(Plan), length, made, made->bytes());
  return made;
}
