// CUDA C compiled as C++: what TVM's generated kernels use of the language, run by the threads of device.cpp.
#pragma once
#include <cmath>
#include <cstdint>

struct Position {
  unsigned x, y, z;
};

extern "C" {
extern Position *software_thread, *software_block;
void software_sync_block();
void software_sync_warp();
void *software_slot(unsigned lane_offset);
}

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __shared__ static
#define __launch_bounds__(...)
#define threadIdx (*software_thread)
#define blockIdx (*software_block)
#define __syncthreads() software_sync_block()
#define __activemask() 0xffffffffu

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
inline int2 make_int2(int x, int y) { return {x, y}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

inline int max(int a, int b) { return a > b ? a : b; }
inline int min(int a, int b) { return a < b ? a : b; }
inline int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
inline float max(float a, float b) { return std::fmax(a, b); }
inline float min(float a, float b) { return std::fmin(a, b); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __int_as_float(int bits) { return __builtin_bit_cast(float, bits); }
inline int __float_as_int(float value) { return __builtin_bit_cast(int, value); }

template <typename T> T software_shuffle(T value, unsigned offset) {
  *static_cast<T *>(software_slot(0)) = value;
  software_sync_warp();
  T received = *static_cast<T *>(software_slot(offset));
  software_sync_warp();
  return received;
}
#define __shfl_down_sync(mask, value, offset, width) software_shuffle((value), (offset))
