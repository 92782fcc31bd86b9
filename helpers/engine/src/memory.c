#include "memory.h"

enum { PAGE = 65536, ALIGN = 64 };
/* Los núcleos leen de cuatro en cuatro y pueden pasarse del final de un array hasta tres floats. */
enum { GUARD_BYTES = 32 };
static const u64 ADDRESS_LIMIT = 0xFFFF0000ull; /* lo que se puede direccionar con 32 bits, menos una página */

extern unsigned char __heap_base; /* la define el enlazador: donde acaban los datos del programa */
static u64 top;
static u32 failed;

void arena_reset(void) {
  top = ((u64)(u32)&__heap_base + ALIGN - 1) / ALIGN * ALIGN;
  failed = 0;
}

f32 *arena_floats(u64 count) {
  u64 start = top, end = start + (count * sizeof(f32) + GUARD_BYTES + ALIGN - 1) / ALIGN * ALIGN;
  if (failed || end > ADDRESS_LIMIT) {
    failed = 1;
    return 0;
  }
  u32 needed = (u32)((end + PAGE - 1) / PAGE), have = __builtin_wasm_memory_size(0);
  if (needed > have && __builtin_wasm_memory_grow(0, needed - have) == (__SIZE_TYPE__)-1) {
    failed = 1;
    return 0;
  }
  top = end;
  return (f32 *)(u32)start;
}

u32 arena_failed(void) { return failed; }

/* Con `-mbulk-memory`, el compilador las convierte en memory.fill y memory.copy. */
void fill_zero(f32 *p, u32 count) { __builtin_memset(p, 0, count * sizeof(f32)); }
void copy_floats(f32 *to, const f32 *from, u32 count) { __builtin_memcpy(to, from, count * sizeof(f32)); }
