#include "kernels.h"

#include "memory.h"

enum { BLOCK = 4 }; /* posiciones a la vez: 4×8 sumas en curso ocupan 8 de los 16 registros vectoriales */

u32 panels_size(u32 length, u32 filters) { return length * round_up(filters, PANEL); }

void pack_panels(const f32 *kernel, u32 length, u32 filters, f32 *panels) {
  for (u32 f0 = 0; f0 < filters; f0 += PANEL) {
    u32 width = min_u32(PANEL, filters - f0);
    for (u32 k = 0; k < length; k++, panels += PANEL) {
      const f32 *row = kernel + k * filters + f0;
      if (width == PANEL) {
        store4(panels, load4(row));
        store4(panels + 4, load4(row + 4));
      } else {
        for (u32 f = 0; f < PANEL; f++) panels[f] = f < width ? row[f] : 0;
      }
    }
  }
}

void pack_flipped_panels(const f32 *kernel, u32 kernel_h, u32 kernel_w, u32 in, u32 out, f32 *panels) {
  for (u32 c0 = 0; c0 < in; c0 += PANEL) {
    u32 width = min_u32(PANEL, in - c0);
    for (u32 cell = kernel_h * kernel_w; cell-- > 0;) {
      const f32 *block = kernel + (cell * in + c0) * out;
      for (u32 f = 0; f < out; f++, panels += PANEL)
        for (u32 c = 0; c < PANEL; c++) panels[c] = c < width ? block[c * out + f] : 0;
    }
  }
}

/* `count` posiciones por 8 filtros. `count` es constante en cada llamada: el compilador desenrolla y las sumas viven
   en registros hasta el final. */
INLINE void correlate_block(u32 count, const Windows *w, const f32 *input,
                            const f32 *panel, f32x4 bias0, f32x4 bias1,
                            u32 relu, f32 *output, u32 output_step,
                            u32 width) {
  f32x4 sum0[BLOCK], sum1[BLOCK];
#pragma unroll
  for (u32 r = 0; r < count; r++) sum0[r] = bias0, sum1[r] = bias1;
  for (u32 s = 0; s < w->segments; s++, input += w->segment_step) {
    const f32 *p = input, *end = input + w->segment_length;
    for (; p < end; p++, panel += PANEL) {
      f32x4 w0 = load4(panel), w1 = load4(panel + 4);
#pragma unroll
      for (u32 r = 0; r < count; r++) {
        f32x4 x = splat(p[r * w->column_step]);
        sum0[r] = add(sum0[r], mul(x, w0));
        sum1[r] = add(sum1[r], mul(x, w1));
      }
    }
  }
  f32x4 zero = splat(0);
#pragma unroll
  for (u32 r = 0; r < count; r++, output += output_step) {
    if (relu) sum0[r] = max4(zero, sum0[r]), sum1[r] = max4(zero, sum1[r]);
    if (width == PANEL) {
      store4(output, sum0[r]);
      store4(output + 4, sum1[r]);
    } else {
      /* Último panel, incompleto: más allá de `width` empieza la posición
         siguiente. */
      f32 lanes[PANEL];
      store4(lanes, sum0[r]);
      store4(lanes + 4, sum1[r]);
      for (u32 f = 0; f < width; f++) output[f] = lanes[f];
    }
  }
}

void correlate(const Windows *w, const f32 *input, const f32 *panels, u32 filters, const f32 *bias, u32 relu,
               f32 *output, u32 output_row_step) {
  u32 length = w->segments * w->segment_length;
  for (u32 f0 = 0; f0 < filters; f0 += PANEL, panels += length * PANEL) {
    u32 width = min_u32(PANEL, filters - f0);
    f32 lanes[PANEL];
    for (u32 f = 0; f < PANEL; f++) lanes[f] = bias && f < width ? bias[f0 + f] : 0;
    f32x4 bias0 = load4(lanes), bias1 = load4(lanes + 4);
    for (u32 y = 0; y < w->rows; y++) {
      const f32 *in = input + y * w->row_step;
      f32 *out = output + y * output_row_step + f0;
      if (w->columns < BLOCK) {
        for (u32 x = 0; x < w->columns; x++)
          correlate_block(1, w, in + x * w->column_step, panels, bias0, bias1, relu, out + x * filters, filters,
                          width);
        continue;
      }
      for (u32 x = 0; x < w->columns; x += BLOCK) {
        /* El último bloque retrocede y repite alguna posición: sale lo mismo y no hace falta otro caso. */
        u32 from = min_u32(x, w->columns - BLOCK);
        correlate_block(BLOCK, w, in + from * w->column_step, panels, bias0, bias1, relu, out + from * filters,
                        filters, width);
      }
    }
  }
}

void correlate_gradient(const Windows *w, const f32 *input, const f32 *gradient, u32 filters, f32 *kernel_gradient,
                        f32 *panel) {
  u32 positions = w->rows * w->columns;
  for (u32 f0 = 0; f0 < filters; f0 += PANEL) {
    u32 width = min_u32(PANEL, filters - f0);
    for (u32 i = 0; i < positions; i++)
      for (u32 f = 0; f < PANEL; f++) panel[i * PANEL + f] = f < width ? gradient[i * filters + f0 + f] : 0;
    for (u32 s = 0; s < w->segments; s++)
      for (u32 k0 = 0; k0 < w->segment_length; k0 += BLOCK) {
        f32x4 sum0[BLOCK], sum1[BLOCK];
#pragma unroll
        for (u32 r = 0; r < BLOCK; r++) sum0[r] = sum1[r] = splat(0);
        const f32 *g = panel;
        for (u32 y = 0; y < w->rows; y++) {
          const f32 *p = input + y * w->row_step + s * w->segment_step + k0;
          for (u32 x = 0; x < w->columns; x++, p += w->column_step, g += PANEL) {
            f32x4 g0 = load4(g), g1 = load4(g + 4);
#pragma unroll
            for (u32 r = 0; r < BLOCK; r++) { /* pasado el tramo se lee de más; esas sumas no se guardan */
              f32x4 v = splat(p[r]);
              sum0[r] = add(sum0[r], mul(v, g0));
              sum1[r] = add(sum1[r], mul(v, g1));
            }
          }
        }
        /* Se suma aparte y se añade al final: con miles de sumandos, ir añadiendo uno a uno perdería cifras. */
        u32 count = min_u32(BLOCK, w->segment_length - k0);
        f32 *out = kernel_gradient + (s * w->segment_length + k0) * filters + f0;
#pragma unroll
        for (u32 r = 0; r < BLOCK; r++, out += filters) {
          if (r >= count) break;
          if (width == PANEL) {
            store4(out, add(load4(out), sum0[r]));
            store4(out + 4, add(load4(out + 4), sum1[r]));
          } else {
            f32 lanes[PANEL];
            store4(lanes, sum0[r]);
            store4(lanes + 4, sum1[r]);
            for (u32 f = 0; f < width; f++) out[f] += lanes[f];
          }
        }
      }
  }
}

void sum_positions(const f32 *values, u32 positions, u32 filters, f32 *total) {
  for (u32 f = 0; f < filters; f += 4) {
    f32x4 sum = splat(0);
    for (u32 i = 0; i < positions; i++) sum = add(sum, load4(values + i * filters + f));
    f32 lanes[4];
    store4(lanes, sum);
    for (u32 j = 0; j < min_u32(4, filters - f); j++) total[f + j] += lanes[j];
  }
}
