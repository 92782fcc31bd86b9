/* Un solo bloque de memoria que solo crece. Cuando no cabe algo se anota y se sigue: quien construye la red lo
   pregunta al final, en vez de morir a medias. */
#ifndef MEMORY_H
#define MEMORY_H

#include "simd.h"

void arena_reset(void);
f32 *arena_floats(u64 count);      /* sin inicializar; NULL si no cabe */
u32 arena_failed(void);            /* 1 si algo no cupo desde arena_reset */
void fill_zero(f32 *p, u32 count);
void copy_floats(f32 *to, const f32 *from, u32 count);

#endif
