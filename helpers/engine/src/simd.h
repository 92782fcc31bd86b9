/* Tipos cortos y vectores de 4 floats. Solo SIMD128: el SIMD «relajado» no lo acepta WebKit y daría resultados
   distintos en cada procesador. */
#ifndef SIMD_H
#define SIMD_H

#include <wasm_simd128.h>

typedef float f32;
typedef double f64;
typedef int i32;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef v128_t f32x4;

#define EXPORT(name) __attribute__((export_name(#name)))
#define INLINE static inline __attribute__((always_inline))

INLINE f32x4 load4(const f32 *p) { return wasm_v128_load(p); }
INLINE void store4(f32 *p, f32x4 v) { wasm_v128_store(p, v); }
INLINE f32x4 splat(f32 x) { return wasm_f32x4_splat(x); }
INLINE f32x4 add(f32x4 a, f32x4 b) { return wasm_f32x4_add(a, b); }
INLINE f32x4 sub(f32x4 a, f32x4 b) { return wasm_f32x4_sub(a, b); }
INLINE f32x4 mul(f32x4 a, f32x4 b) { return wasm_f32x4_mul(a, b); }
INLINE f32x4 div4(f32x4 a, f32x4 b) { return wasm_f32x4_div(a, b); }
/* b si a < b, si no a: con cero como `a` es la ReLU, y deja pasar NaN para que la pérdida delate la divergencia. */
INLINE f32x4 max4(f32x4 a, f32x4 b) { return wasm_f32x4_max(a, b); }

INLINE u32 round_up(u32 n, u32 multiple) { return (n + multiple - 1) / multiple * multiple; }
INLINE u32 min_u32(u32 a, u32 b) { return a < b ? a : b; }
INLINE u32 max_u32(u32 a, u32 b) { return a > b ? a : b; }

#endif
