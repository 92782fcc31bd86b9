/* Los dos bucles en los que se va casi todo el tiempo.

   Una convolución, vista desde una posición de su salida, es un producto escalar entre el filtro y su ventana. En
   NHWC cada fila de la ventana es un tramo seguido de memoria (3 píxeles × C canales), así que la ventana entera son
   unos pocos tramos a distancia fija: `Windows` los describe y no hace falta copiar nada (im2col). Una capa densa
   es el mismo producto con un solo tramo, y el lote hace de fila de posiciones. */
#ifndef KERNELS_H
#define KERNELS_H

#include "simd.h"

typedef struct {
  u32 rows, columns;          /* posiciones de la salida */
  u32 row_step, column_step;  /* floats de la entrada entre una posición y la siguiente */
  u32 segments;               /* tramos de una ventana: filas del núcleo */
  u32 segment_step;           /* floats entre un tramo y el siguiente */
  u32 segment_length;         /* floats de un tramo */
} Windows;

enum { PANEL = 8 }; /* filtros que se calculan a la vez: dos vectores */

/* Cuántos floats ocupa un kernel de `length`×`filters` empaquetado. */
u32 panels_size(u32 length, u32 filters);

/* Reordena un kernel (length, filters) en paneles [filters/8][length][8], rellenos con ceros: así cada panel cabe en
   la caché más cercana y se lee seguido. */
void pack_panels(const f32 *kernel, u32 length, u32 filters, f32 *panels);

/* Lo mismo con el kernel girado 180° y con entradas y salidas cambiadas: (kh, kw, in, out) → (kh, kw, out, in).
   Correlacionar el gradiente con él devuelve el gradiente de la entrada. */
void pack_flipped_panels(const f32 *kernel, u32 kernel_h, u32 kernel_w, u32 in, u32 out, f32 *panels);

/* output[fila, columna, f] = bias[f] + Σ ventana · filtro f; con `relu`, lo negativo queda en cero. `bias` puede
   ser NULL. Las posiciones de la salida están a `filters` floats y sus filas a `output_row_step`. */
void correlate(const Windows *windows, const f32 *input, const f32 *panels, u32 filters, const f32 *bias, u32 relu,
               f32 *output, u32 output_row_step);

/* kernel_gradient[k, f] += Σ posiciones ventana[k] · gradient[posición, f]. `panel` es sitio para
   (posiciones × 8) floats. */
void correlate_gradient(const Windows *windows, const f32 *input, const f32 *gradient, u32 filters,
                        f32 *kernel_gradient, f32 *panel);

/* gradient[f] += Σ posiciones values[posición, f]. */
void sum_positions(const f32 *values, u32 positions, u32 filters, f32 *total);

#endif
