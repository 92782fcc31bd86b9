#include "layers.h"

#include "kernels.h"
#include "memory.h"

/* --- Relleno ------------------------------------------------------------------------------------------------- */

static u32 is_padded(const Layer *layer) { return layer->padded_h > layer->in.h || layer->padded_w > layer->in.w; }

/* Copia una imagen (h, w, c) dentro de otra mayor, rodeada de ceros. */
static void pad_image(const f32 *image, u32 h, u32 w, u32 c, u32 top, u32 left, u32 padded_h, u32 padded_w,
                      f32 *padded) {
  fill_zero(padded, padded_h * padded_w * c);
  for (u32 y = 0; y < h; y++) copy_floats(padded + ((y + top) * padded_w + left) * c, image + y * w * c, w * c);
}

static const f32 *padded_input(const Layer *layer, const f32 *image, f32 *padded) {
  if (!is_padded(layer)) return image;
  pad_image(image, layer->in.h, layer->in.w, layer->in.c, layer->pad_top, layer->pad_left, layer->padded_h,
            layer->padded_w, padded);
  return padded;
}

/* --- Conv2D y Dense ------------------------------------------------------------------------------------------ */

static Windows conv_windows(const Layer *layer, u32 rows, u32 columns) {
  u32 c = layer->in.c, row = layer->padded_w * c;
  return (Windows){rows, columns, row, c, (u32)layer->spec.window_h, row, (u32)layer->spec.window_w * c};
}

/* Una capa densa es una sola fila cuyas posiciones son las imágenes del lote. */
static Windows dense_windows(u32 images, u32 length) { return (Windows){1, images, 0, length, 1, 0, length}; }

static u32 kernel_length(const Layer *layer) {
  return layer->spec.kind == DENSE ? layer->in.c
                                   : (u32)layer->spec.window_h * (u32)layer->spec.window_w * layer->in.c;
}

static f32 *bias_of(const Layer *layer, f32 *from) {
  return layer->spec.use_bias ? from + kernel_length(layer) * layer->out.c : 0;
}

static void conv_forward(const Layer *layer, const f32 *input, const Context *context) {
  const Scratch *scratch = &context->scratch;
  /* Al entrenar no se calculan las filas y columnas que la agrupación siguiente no lee (de 13, mira 12). */
  u32 rows = context->training ? layer->used_h : layer->out.h;
  u32 columns = context->training ? layer->used_w : layer->out.w;
  Windows windows = conv_windows(layer, rows, columns);
  pack_panels(layer->weights, kernel_length(layer), layer->out.c, scratch->panels);
  for (u32 b = 0; b < context->images; b++) {
    const f32 *image = padded_input(layer, input + b * size_of(layer->in), scratch->padded);
    correlate(&windows, image, scratch->panels, layer->out.c, bias_of(layer, layer->weights), layer->spec.relu,
              layer->output + b * size_of(layer->out), layer->out.w * layer->out.c);
  }
}

static void conv_backward(const Layer *layer, const f32 *input, const f32 *gradient, f32 *input_gradient,
                          const Context *context) {
  const Scratch *scratch = &context->scratch;
  Shape in = layer->in, out = layer->out;
  u32 kernel_h = layer->spec.window_h, kernel_w = layer->spec.window_w;
  Windows windows = conv_windows(layer, out.h, out.w);
  /* El gradiente de la entrada es otra convolución: la del gradiente de la salida, rodeado de ceros, con el kernel
     girado. Sus posiciones son los píxeles de la entrada. */
  u32 padded_h = in.h + kernel_h - 1, padded_w = in.w + kernel_w - 1, row = padded_w * out.c;
  Windows back = {in.h, in.w, row, out.c, kernel_h, row, kernel_w * out.c};
  if (input_gradient) pack_flipped_panels(layer->weights, kernel_h, kernel_w, in.c, out.c, scratch->panels);
  for (u32 b = 0; b < context->images; b++) {
    const f32 *image = padded_input(layer, input + b * size_of(in), scratch->padded);
    const f32 *image_gradient = gradient + b * size_of(out);
    correlate_gradient(&windows, image, image_gradient, out.c, layer->gradients, scratch->panel);
    if (layer->spec.use_bias)
      sum_positions(image_gradient, out.h * out.w, out.c, bias_of(layer, layer->gradients));
    if (!input_gradient) continue;
    pad_image(image_gradient, out.h, out.w, out.c, kernel_h - 1 - layer->pad_top, kernel_w - 1 - layer->pad_left,
              padded_h, padded_w, scratch->padded_gradient);
    correlate(&back, scratch->padded_gradient, scratch->panels, in.c, 0, 0, input_gradient + b * size_of(in),
              in.w * in.c);
  }
}

static void dense_forward(const Layer *layer, const f32 *input, const Context *context) {
  Windows windows = dense_windows(context->images, layer->in.c);
  pack_panels(layer->weights, layer->in.c, layer->out.c, context->scratch.panels);
  correlate(&windows, input, context->scratch.panels, layer->out.c, bias_of(layer, layer->weights),
            layer->spec.relu, layer->output, 0);
}

static void dense_backward(const Layer *layer, const f32 *input, const f32 *gradient, f32 *input_gradient,
                           const Context *context) {
  u32 in = layer->in.c, out = layer->out.c;
  Windows windows = dense_windows(context->images, in);
  correlate_gradient(&windows, input, gradient, out, layer->gradients, context->scratch.panel);
  if (layer->spec.use_bias) sum_positions(gradient, context->images, out, bias_of(layer, layer->gradients));
  if (!input_gradient) return;
  Windows back = dense_windows(context->images, out);
  pack_flipped_panels(layer->weights, 1, 1, in, out, context->scratch.panels);
  correlate(&back, gradient, context->scratch.panels, in, 0, 0, input_gradient, 0);
}

/* --- Conv2D + MaxPooling2D hacia atrás ----------------------------------------------------------------------- */

/* Anota, por filtro, dónde empieza la ventana de cada ganador y con qué gradiente. */
static void find_winners(const Layer *conv, const Layer *pool, const f32 *conv_output, const f32 *pool_output,
                         const f32 *pool_gradient, const Scratch *scratch) {
  u32 filters = conv->out.c, capacity = pool->out.h * pool->out.w + 1;
  for (u32 f = 0; f < filters; f++) scratch->winner_count[f] = 0;
  for (u32 i = 0; i < pool->out.h; i++)
    for (u32 j = 0; j < pool->out.w; j++) {
      i32 top = (i32)(i * pool->spec.stride_h) - (i32)pool->pad_top;
      i32 left = (i32)(j * pool->spec.stride_w) - (i32)pool->pad_left;
      i32 bottom = top + pool->spec.window_h, right = left + pool->spec.window_w;
      if (top < 0) top = 0;
      if (left < 0) left = 0;
      if (bottom > (i32)conv->out.h) bottom = conv->out.h;
      if (right > (i32)conv->out.w) right = conv->out.w;
      u32 cell = (i * pool->out.w + j) * filters;
      for (u32 f0 = 0; f0 < filters; f0 += 4) {
        f32x4 best = load4(pool_output + cell + f0), gradient = load4(pool_gradient + cell + f0);
        /* De la última a la primera posición: si hay empate queda la primera, como en TensorFlow. */
        f32x4 offset = wasm_i32x4_splat(0);
        for (i32 y = bottom - 1; y >= top; y--)
          for (i32 x = right - 1; x >= left; x--) {
            f32x4 equal = wasm_f32x4_eq(load4(conv_output + (y * conv->out.w + x) * filters + f0), best);
            i32 start = (y * conv->padded_w + x) * conv->in.c;
            offset = wasm_v128_bitselect(wasm_i32x4_splat(start), offset, equal);
          }
        f32x4 active = wasm_f32x4_ne(gradient, splat(0));
        if (conv->spec.relu) active = wasm_v128_and(active, wasm_f32x4_gt(best, splat(0)));
        u32 active_bits = wasm_i32x4_bitmask(active), offsets[4];
        f32 gradients[4];
        wasm_v128_store(offsets, offset);
        store4(gradients, gradient);
        for (u32 lane = 0; lane < 4 && f0 + lane < filters; lane++) {
          /* Se escribe siempre y se cuenta solo si está activo: un salto impredecible costaría más. */
          u32 f = f0 + lane, *count = scratch->winner_count + f, slot = f * capacity + *count;
          scratch->winner_offset[slot] = offsets[lane];
          scratch->winner_gradient[slot] = gradients[lane];
          *count += active_bits >> lane & 1;
        }
      }
    }
}

typedef struct {
  const u32 *offset;
  const f32 *gradient;
  u32 count;
} Winners;

/* gradiente del filtro += Σ gradiente del ganador · su ventana, en un tramo de `vectors`×4 floats. */
INLINE void gather_winners(u32 vectors, Winners winners, const f32 *input,
                           f32 *filter_gradient) {
  f32x4 sum[8];
#pragma unroll
  for (u32 v = 0; v < vectors; v++) sum[v] = splat(0);
  for (u32 i = 0; i < winners.count; i++) {
    const f32 *window = input + winners.offset[i];
    f32x4 g = splat(winners.gradient[i]);
#pragma unroll
    for (u32 v = 0; v < vectors; v++)
      sum[v] = add(sum[v], mul(g, load4(window + 4 * v)));
  }
#pragma unroll
  for (u32 v = 0; v < vectors; v++)
    store4(filter_gradient + 4 * v,
           add(load4(filter_gradient + 4 * v), sum[v]));
}

/* gradiente de la ventana += gradiente del ganador · filtro. */
INLINE void scatter_winners(u32 vectors, Winners winners, const f32 *filter, f32 *input_gradient) {
  f32x4 weights[8];
#pragma unroll
  for (u32 v = 0; v < vectors; v++) weights[v] = load4(filter + 4 * v);
  for (u32 i = 0; i < winners.count; i++) {
    f32 *window = input_gradient + winners.offset[i];
    f32x4 g = splat(winners.gradient[i]);
#pragma unroll
    for (u32 v = 0; v < vectors; v++) store4(window + 4 * v, add(load4(window + 4 * v), mul(g, weights[v])));
  }
}

static void visit_winners(Winners winners, u32 segment, const f32 *input, const f32 *filter, f32 *filter_gradient,
                          f32 *input_gradient) {
  for (u32 done = 0; done < segment;) {
    u32 left = (segment - done) / 4;
    const f32 *in = input + done, *w = filter + done;
    f32 *gw = filter_gradient + done, *gin = input_gradient ? input_gradient + done : 0;
#define CHUNK(n)                               \
  {                                            \
    gather_winners(n, winners, in, gw);        \
    if (gin) scatter_winners(n, winners, w, gin); \
    done += 4 * n;                             \
  }
    if (left >= 8) CHUNK(8)
    else if (left >= 3) CHUNK(3) /* la fila de 3×3 píxeles de una imagen en color */
    else CHUNK(1)
#undef CHUNK
  }
}

void conv_pool_backward(const Layer *conv, const Layer *pool, const f32 *input, const f32 *pool_gradient,
                        f32 *input_gradient, const Context *context) {
  const Scratch *scratch = &context->scratch;
  Shape in = conv->in;
  u32 filters = conv->out.c, rows = conv->spec.window_h, length = conv->spec.window_w * in.c;
  /* Cada fila de un filtro se alarga con ceros hasta un múltiplo de 4: los vectores no dejan restos, y lo que
     tocan de más se multiplica por cero. */
  u32 segment = round_up(length, 4), filter_size = rows * segment, row_step = conv->padded_w * in.c;
  u32 capacity = pool->out.h * pool->out.w + 1;
  fill_zero(scratch->filters, filters * filter_size);
  fill_zero(scratch->filter_gradients, filters * filter_size);
  for (u32 f = 0; f < filters; f++)
    for (u32 r = 0; r < rows; r++)
      for (u32 k = 0; k < length; k++)
        scratch->filters[f * filter_size + r * segment + k] = conv->weights[(r * length + k) * filters + f];

  f32 *bias_gradient = bias_of(conv, conv->gradients);
  for (u32 b = 0; b < context->images; b++) {
    u32 pooled = b * size_of(pool->out);
    const f32 *image = padded_input(conv, input + b * size_of(in), scratch->padded);
    find_winners(conv, pool, conv->output + b * size_of(conv->out), pool->output + pooled, pool_gradient + pooled,
                 scratch);
    f32 *image_gradient = 0, *destination = input_gradient ? input_gradient + b * size_of(in) : 0;
    if (destination) {
      image_gradient = scratch->padded_gradient;
      fill_zero(image_gradient, conv->padded_h * row_step);
    }
    for (u32 f = 0; f < filters; f++) {
      Winners winners = {scratch->winner_offset + f * capacity, scratch->winner_gradient + f * capacity,
                         scratch->winner_count[f]};
      if (bias_gradient) {
        f32 sum = 0;
        for (u32 i = 0; i < winners.count; i++) sum += winners.gradient[i];
        bias_gradient[f] += sum;
      }
      for (u32 r = 0; r < rows; r++) {
        u32 at = f * filter_size + r * segment;
        visit_winners(winners, segment, image + r * row_step, scratch->filters + at, scratch->filter_gradients + at,
                      image_gradient ? image_gradient + r * row_step : 0);
      }
    }
    if (destination)
      for (u32 y = 0; y < in.h; y++)
        copy_floats(destination + y * in.w * in.c,
                    image_gradient + (y + conv->pad_top) * row_step + conv->pad_left * in.c, in.w * in.c);
  }
  for (u32 f = 0; f < filters; f++)
    for (u32 r = 0; r < rows; r++)
      for (u32 k = 0; k < length; k++)
        conv->gradients[(r * length + k) * filters + f] =
            scratch->filter_gradients[f * filter_size + r * segment + k];
}

/* --- MaxPooling2D y GlobalAveragePooling2D ------------------------------------------------------------------- */

static void max_pooling_forward(const Layer *layer, const f32 *input, const Context *context) {
  Shape in = layer->in, out = layer->out;
  u32 c = in.c;
  for (u32 b = 0; b < context->images; b++, input += size_of(in))
    for (u32 i = 0; i < out.h; i++)
      for (u32 j = 0; j < out.w; j++) {
        f32 *best = layer->output + ((b * out.h + i) * out.w + j) * c;
        u32 first = 1;
        for (u32 u = 0; u < (u32)layer->spec.window_h; u++)
          for (u32 v = 0; v < (u32)layer->spec.window_w; v++) {
            /* Sin signo: una posición dentro del relleno sale enorme y se descarta igual que una pasada del final. */
            u32 y = i * layer->spec.stride_h + u - layer->pad_top, x = j * layer->spec.stride_w + v - layer->pad_left;
            if (y >= in.h || x >= in.w) continue;
            const f32 *pixel = input + (y * in.w + x) * c;
            if (first) {
              copy_floats(best, pixel, c);
            } else {
              u32 k = 0;
              for (; k + 4 <= c; k += 4) store4(best + k, max4(load4(best + k), load4(pixel + k)));
              /* `!(a <= b)` y no `a > b`: así un NaN también gana, como en la rama vectorial. */
              for (; k < c; k++) best[k] = !(pixel[k] <= best[k]) ? pixel[k] : best[k];
            }
            first = 0;
          }
      }
}

/* Sin convolución delante: el gradiente de cada ventana va a su primer máximo. */
static void max_pooling_backward(const Layer *layer, const f32 *input, const f32 *gradient, f32 *input_gradient,
                                 const Context *context) {
  Shape in = layer->in, out = layer->out;
  fill_zero(input_gradient, context->images * size_of(in));
  for (u32 b = 0; b < context->images; b++, input += size_of(in), input_gradient += size_of(in))
    for (u32 i = 0; i < out.h; i++)
      for (u32 j = 0; j < out.w; j++)
        for (u32 k = 0; k < in.c; k++) {
          u32 cell = ((b * out.h + i) * out.w + j) * in.c + k, found = 0;
          for (u32 u = 0; u < (u32)layer->spec.window_h && !found; u++)
            for (u32 v = 0; v < (u32)layer->spec.window_w && !found; v++) {
              u32 y = i * layer->spec.stride_h + u - layer->pad_top, x = j * layer->spec.stride_w + v - layer->pad_left;
              if (y >= in.h || x >= in.w) continue;
              u32 at = (y * in.w + x) * in.c + k;
              if (input[at] != layer->output[cell]) continue;
              input_gradient[at] += gradient[cell];
              found = 1;
            }
        }
}

static void global_average_forward(const Layer *layer, const f32 *input, const Context *context) {
  u32 positions = layer->in.h * layer->in.w, c = layer->in.c;
  fill_zero(layer->output, context->images * c);
  for (u32 b = 0; b < context->images; b++) {
    f32 *mean = layer->output + b * c;
    sum_positions(input + b * positions * c, positions, c, mean);
    for (u32 k = 0; k < c; k++) mean[k] /= (f32)positions;
  }
}

static void global_average_backward(const Layer *layer, const f32 *gradient, f32 *input_gradient,
                                    const Context *context) {
  u32 positions = layer->in.h * layer->in.w, c = layer->in.c;
  for (u32 b = 0; b < context->images; b++)
    for (u32 i = 0; i < positions; i++)
      for (u32 k = 0; k < c; k++)
        input_gradient[(b * positions + i) * c + k] = gradient[b * c + k] / (f32)positions;
}

/* --- BatchNormalization -------------------------------------------------------------------------------------- */

/* Pesos en el orden de Keras: gamma y beta (si los tiene), media móvil y varianza móvil. */
typedef struct {
  f32 *gamma, *beta, *moving_mean, *moving_variance;
} Normalization;

static Normalization normalization(const Layer *layer, f32 *from) {
  u32 c = layer->in.c;
  Normalization n = {0, 0, 0, 0};
  if (layer->spec.scale) n.gamma = from, from += c;
  if (layer->spec.use_bias) n.beta = from, from += c;
  n.moving_mean = from;
  n.moving_variance = from + c;
  return n;
}

/* Suma por canal: de a; con `center`, de (a - centro)²; con `b` y `center`, de a·(b - centro). Se acumula en float
   por tramos cortos y en doble entre tramos: son decenas de miles de sumandos. */
static void channel_sums(const f32 *a, const f32 *b, const f32 *center, u32 positions, u32 c, f64 *sums) {
  enum { STRETCH = 64 };
  for (u32 k = 0; k < round_up(c, 4); k++) sums[k] = 0;
  for (u32 from = 0; from < positions; from += STRETCH) {
    u32 to = min_u32(positions, from + STRETCH);
    for (u32 k = 0; k < c; k += 4) {
      f32x4 sum = splat(0), middle = center ? load4(center + k) : splat(0);
      for (u32 i = from; i < to; i++) {
        f32x4 x = load4(a + i * c + k);
        if (b)
          x = mul(x, sub(load4(b + i * c + k), middle));
        else if (center)
          x = sub(x, middle), x = mul(x, x);
        sum = add(sum, x);
      }
      f32 lanes[4];
      store4(lanes, sum);
      for (u32 j = 0; j < 4; j++) sums[k + j] += lanes[j];
    }
  }
}

static void batch_normalization_forward(const Layer *layer, const f32 *input, const Context *context) {
  u32 c = layer->in.c, positions = context->images * layer->in.h * layer->in.w;
  Normalization n = normalization(layer, layer->weights);
  f64 *sums = context->scratch.sums;
  f32 momentum = layer->spec.rate;
  if (context->training) {
    channel_sums(input, 0, 0, positions, c, sums);
    for (u32 k = 0; k < c; k++) layer->mean[k] = (f32)(sums[k] / positions);
    channel_sums(input, 0, layer->mean, positions, c, sums);
  }
  f32 *factor = context->scratch.channels, *shift = factor + round_up(c, 4);
  for (u32 k = 0; k < c; k++) {
    f32 variance = n.moving_variance[k];
    if (context->training) {
      /* La varianza es la del lote sin corregir (entre n, no entre n - 1), también en la media móvil: así Keras. */
      variance = (f32)(sums[k] / positions);
      n.moving_mean[k] = n.moving_mean[k] * momentum + layer->mean[k] * (1 - momentum);
      n.moving_variance[k] = n.moving_variance[k] * momentum + variance * (1 - momentum);
    } else {
      layer->mean[k] = n.moving_mean[k];
    }
    layer->inverse_std[k] = 1 / __builtin_sqrtf(variance + layer->spec.epsilon);
    factor[k] = layer->inverse_std[k] * (n.gamma ? n.gamma[k] : 1);
    shift[k] = (n.beta ? n.beta[k] : 0) - layer->mean[k] * factor[k];
  }
  for (u32 i = 0; i < positions; i++) {
    const f32 *x = input + i * c;
    f32 *y = layer->output + i * c;
    u32 k = 0;
    for (; k + 4 <= c; k += 4) store4(y + k, add(mul(load4(x + k), load4(factor + k)), load4(shift + k)));
    for (; k < c; k++) y[k] = x[k] * factor[k] + shift[k];
  }
}

static void batch_normalization_backward(const Layer *layer, const f32 *input, const f32 *gradient,
                                         f32 *input_gradient, const Context *context) {
  u32 c = layer->in.c, positions = context->images * layer->in.h * layer->in.w;
  Normalization w = normalization(layer, layer->weights), g = normalization(layer, layer->gradients);
  /* Con x' = (x - media)/desviación: d_beta = Σ dy, d_gamma = Σ dy·x', y como la media y la desviación también
     dependen de x, dx = gamma/desviación · (dy - (d_beta + x'·d_gamma)/n). */
  f64 *beta_sum = context->scratch.sums, *gamma_sum = beta_sum + round_up(c, 4);
  channel_sums(gradient, 0, 0, positions, c, beta_sum);
  channel_sums(gradient, input, layer->mean, positions, c, gamma_sum);
  f32 *factor = context->scratch.channels, *offset = factor + round_up(c, 4), *slope = offset + round_up(c, 4);
  for (u32 k = 0; k < c; k++) {
    f64 inverse = layer->inverse_std[k], d_gamma = gamma_sum[k] * inverse;
    if (g.gamma) g.gamma[k] = (f32)d_gamma;
    if (g.beta) g.beta[k] = (f32)beta_sum[k];
    factor[k] = layer->inverse_std[k] * (w.gamma ? w.gamma[k] : 1);
    offset[k] = (f32)(beta_sum[k] / positions);
    slope[k] = (f32)(d_gamma * inverse / positions);
  }
  if (!input_gradient) return;
  for (u32 i = 0; i < positions; i++) {
    const f32 *x = input + i * c, *dy = gradient + i * c;
    f32 *dx = input_gradient + i * c;
    u32 k = 0;
    for (; k + 4 <= c; k += 4) {
      f32x4 centered = sub(load4(x + k), load4(layer->mean + k));
      f32x4 common = add(load4(offset + k), mul(centered, load4(slope + k)));
      store4(dx + k, mul(load4(factor + k), sub(load4(dy + k), common)));
    }
    for (; k < c; k++) dx[k] = factor[k] * (dy[k] - offset[k] - (x[k] - layer->mean[k]) * slope[k]);
  }
}

/* --- ReLU, Dropout y Softmax --------------------------------------------------------------------------------- */

static void relu_forward(const f32 *input, f32 *output, u32 count) {
  for (u32 i = 0; i < count; i += 4) store4(output + i, max4(splat(0), load4(input + i)));
}

/* Donde la ReLU cortó no pasa gradiente. En el cero exacto tampoco, como en TensorFlow. */
static void relu_backward(const f32 *output, const f32 *gradient, f32 *input_gradient, u32 count) {
  for (u32 i = 0; i < count; i += 4)
    store4(input_gradient + i, wasm_v128_and(load4(gradient + i), wasm_f32x4_gt(load4(output + i), splat(0))));
}

static u32 random_state = 1;

void seed_dropout(u32 seed) {
  /* Se mezclan los bits: semillas seguidas darían comienzos parecidos, y xorshift no puede partir de cero. */
  seed ^= seed >> 16, seed *= 0x7feb352du, seed ^= seed >> 15, seed *= 0x846ca68bu, seed ^= seed >> 16;
  random_state = seed ? seed : 1;
}

/* Uniforme en [0, 1) con 24 bits (xorshift de Marsaglia, 2003). */
static f32 random_uniform(void) {
  random_state ^= random_state << 13, random_state ^= random_state >> 17, random_state ^= random_state << 5;
  return (f32)(random_state >> 8) * (1.f / 16777216.f);
}

static void dropout_forward(const Layer *layer, const f32 *input, const Context *context) {
  u32 count = context->images * size_of(layer->out);
  if (!context->training) {
    copy_floats(layer->output, input, count);
    return;
  }
  if (context->draw_masks)
    for (u32 i = 0; i < count; i++)
      layer->mask[i] = random_uniform() < layer->spec.rate ? 0 : 1 / (1 - layer->spec.rate);
  for (u32 i = 0; i < count; i += 4) store4(layer->output + i, mul(load4(input + i), load4(layer->mask + i)));
}

static void dropout_backward(const Layer *layer, const f32 *gradient, f32 *input_gradient, const Context *context) {
  u32 count = context->images * size_of(layer->out);
  for (u32 i = 0; i < count; i += 4) store4(input_gradient + i, mul(load4(gradient + i), load4(layer->mask + i)));
}

/* e^x: se separa x = k·ln 2 + r, con |r| ≤ 0.35, y e^r sale de su serie. */
f64 exp64(f64 x) {
  if (x != x) return x;
  if (x < -700) return 0;
  f64 k = __builtin_floor(x * 1.4426950408889634 + 0.5), r = x - k * 0.6931471805599453, term = 1, sum = 1;
  for (i32 n = 1; n <= 13; n++) term *= r / n, sum += term;
  union {
    u64 bits;
    f64 value;
  } power = {(u64)((i32)k + 1023) << 52};
  return sum * power.value;
}

/* ln x para x ≥ 1: x = m·2^k con m en [0.7, 1.4], y ln m = 2·(s + s³/3 + s⁵/5 + …) con s = (m - 1)/(m + 1). */
f64 log64(f64 x) {
  union {
    u64 bits;
    f64 value;
  } u = {.value = x};
  if (x != x) return x;
  i32 k = (i32)(u.bits >> 52) - 1023;
  u.bits = (u.bits & 0xFFFFFFFFFFFFFull) | 1023ull << 52;
  f64 m = u.value;
  if (m > 1.4142135623730951) m *= 0.5, k++;
  f64 s = (m - 1) / (m + 1), square = s * s, power = s, sum = 0;
  for (i32 n = 1; n <= 19; n += 2) sum += power / n, power *= square;
  return 2 * sum + k * 0.6931471805599453;
}

static void softmax_forward(const Layer *layer, const f32 *logits, const Context *context) {
  u32 classes = layer->out.c;
  for (u32 b = 0; b < context->images; b++) {
    const f32 *z = logits + b * classes;
    f32 *p = layer->output + b * classes, largest = z[0];
    f64 sum = 0;
    for (u32 k = 1; k < classes; k++) largest = z[k] > largest ? z[k] : largest;
    for (u32 k = 0; k < classes; k++) sum += exp64((f64)z[k] - largest);
    for (u32 k = 0; k < classes; k++) p[k] = (f32)(exp64((f64)z[k] - largest) / sum);
  }
}

/* --- Reparto ------------------------------------------------------------------------------------------------- */

void layer_forward(const Layer *layer, const f32 *input, const Context *context) {
  switch (layer->spec.kind) {
    case CONV_2D: conv_forward(layer, input, context); break;
    case DENSE: dense_forward(layer, input, context); break;
    case BATCH_NORMALIZATION: batch_normalization_forward(layer, input, context); break;
    case RELU: relu_forward(input, layer->output, context->images * size_of(layer->out)); break;
    case MAX_POOLING_2D: max_pooling_forward(layer, input, context); break;
    case GLOBAL_AVERAGE_POOLING_2D: global_average_forward(layer, input, context); break;
    case DROPOUT: dropout_forward(layer, input, context); break;
    case SOFTMAX: softmax_forward(layer, input, context); break;
    default: break; /* FLATTEN: su salida es la misma memoria que su entrada */
  }
}

void layer_backward(const Layer *layer, const f32 *input, f32 *gradient, f32 *input_gradient, const Context *context) {
  u32 count = context->images * size_of(layer->out);
  if (layer->spec.relu) relu_backward(layer->output, gradient, gradient, count);
  switch (layer->spec.kind) {
    case CONV_2D: conv_backward(layer, input, gradient, input_gradient, context); return;
    case DENSE: dense_backward(layer, input, gradient, input_gradient, context); return;
    case BATCH_NORMALIZATION:
      batch_normalization_backward(layer, input, gradient, input_gradient, context);
      return;
    default: break;
  }
  if (!input_gradient) return;
  switch (layer->spec.kind) {
    case RELU: relu_backward(layer->output, gradient, input_gradient, count); break;
    case MAX_POOLING_2D: max_pooling_backward(layer, input, gradient, input_gradient, context); break;
    case GLOBAL_AVERAGE_POOLING_2D: global_average_backward(layer, gradient, input_gradient, context); break;
    case DROPOUT: dropout_backward(layer, gradient, input_gradient, context); break;
    default: copy_floats(input_gradient, gradient, count); /* FLATTEN */
  }
}
