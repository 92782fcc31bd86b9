/* La red: una lista de capas que se construye a partir de una descripción y se recorre hacia delante y hacia atrás.
   Lo marcado con EXPORT es todo lo que ve el cargador (`engine.js` en la página, `helpers/engine` en Python). */
#include "kernels.h"
#include "layers.h"
#include "memory.h"
#include "optimizers.h"

enum { MAX_LAYERS = 128, MAX_SIDE = 65535, MAX_WINDOW = 255, MAX_BATCH = 4096 };

enum Status {
  OK,
  OUT_OF_MEMORY,
  UNKNOWN_LAYER,    /* clase que no existe */
  BAD_VALUE,        /* un hiperparámetro fuera de rango */
  DOES_NOT_FIT,     /* la ventana es mayor que lo que le llega */
  NEEDS_MAPS,       /* pide (alto, ancho, canales) y le llega un vector */
  NEEDS_FLAT,       /* pide un vector y le llegan mapas */
  SOFTMAX_MISPLACED, /* tiene que haber una softmax, y solo al final */
  TOO_MANY_LAYERS,
};

/* Donde el cargador escribe la descripción antes de llamar a `build`. */
static LayerSpec description[MAX_LAYERS];
static Layer layers[MAX_LAYERS];
static u32 layer_total, failed_at, capacity, steps;
static u32 weight_total;
static f32 *inputs, *weights, *gradients, *momentums, *velocities, *gradient_buffers[2];
static u32 *labels;
static Context context;

/* --- Construir ----------------------------------------------------------------------------------------------- */

static u32 in_range(i32 value, i32 low, i32 high) { return value >= low && value <= high; }

/* Ningún número negativo ni desmedido: con esto, las cuentas de 64 bits que siguen no se desbordan. */
static u32 is_sane(const LayerSpec *s) {
  return in_range(s->units, 0, MAX_SIDE) && in_range(s->window_h, 0, MAX_WINDOW) &&
         in_range(s->window_w, 0, MAX_WINDOW) && in_range(s->stride_h, 0, MAX_WINDOW) &&
         in_range(s->stride_w, 0, MAX_WINDOW);
}

/* Relleno "same": la salida mide ⌈entrada/paso⌉ y, si el relleno es impar, el píxel de más va al final. */
static void place_window(const LayerSpec *spec, u32 size, u32 window, u32 stride, u32 *out, u32 *before, u32 *padded) {
  *out = spec->same ? (size + stride - 1) / stride : (size - window) / stride + 1;
  u32 covered = (*out - 1) * stride + window, padding = spec->same && covered > size ? covered - size : 0;
  *before = padding / 2;
  *padded = size + padding;
}

static enum Status place_windows(Layer *layer) {
  const LayerSpec *s = &layer->spec;
  Shape in = layer->in;
  if (!s->window_h || !s->window_w || !s->stride_h || !s->stride_w) return BAD_VALUE;
  if (!s->same && ((u32)s->window_h > in.h || (u32)s->window_w > in.w)) return DOES_NOT_FIT;
  place_window(s, in.h, s->window_h, s->stride_h, &layer->out.h, &layer->pad_top, &layer->padded_h);
  place_window(s, in.w, s->window_w, s->stride_w, &layer->out.w, &layer->pad_left, &layer->padded_w);
  return OK;
}

/* Deduce la forma de la salida y cuenta los pesos. */
static enum Status place_layer(Layer *layer, u32 flat, u32 last) {
  LayerSpec *s = &layer->spec;
  u32 c = layer->in.c;
  layer->out = layer->in;
  if (last != (s->kind == SOFTMAX)) return SOFTMAX_MISPLACED;
  switch (s->kind) {
    case CONV_2D:
      if (flat) return NEEDS_MAPS;
      s->stride_h = s->stride_w = 1;
      if (!s->units) return BAD_VALUE;
      layer->out.c = s->units;
      layer->trainable = layer->params = (s->window_h * s->window_w * c + !!s->use_bias) * s->units;
      return place_windows(layer);
    case MAX_POOLING_2D: return flat ? NEEDS_MAPS : place_windows(layer);
    case GLOBAL_AVERAGE_POOLING_2D: layer->out = (Shape){1, 1, c}; return flat ? NEEDS_MAPS : OK;
    case FLATTEN: layer->out = (Shape){1, 1, size_of(layer->in)}; return OK;
    case DENSE:
      if (!flat) return NEEDS_FLAT;
      if (!s->units) return BAD_VALUE;
      layer->out.c = s->units;
      layer->trainable = layer->params = (c + !!s->use_bias) * s->units;
      return OK;
    case BATCH_NORMALIZATION:
      if (!(s->epsilon > 0) || !(s->rate >= 0 && s->rate <= 1)) return BAD_VALUE;
      layer->trainable = (!!s->scale + !!s->use_bias) * c;
      layer->params = layer->trainable + 2 * c;
      return OK;
    case DROPOUT: return s->rate >= 0 && s->rate < 1 ? OK : BAD_VALUE;
    case RELU: return OK;
    case SOFTMAX: return flat ? OK : NEEDS_FLAT;
    default: return UNKNOWN_LAYER;
  }
}

static u32 is_conv_with_pool(u32 i) {
  return layers[i].spec.kind == CONV_2D && i + 1 < layer_total && layers[i + 1].spec.kind == MAX_POOLING_2D;
}

/* Reserva todo de una vez: al entrenar no se pide memoria. */
static void reserve(Shape input) {
  u64 batch = capacity, params = 0, largest = 0, panels = 0, panel = 0, filters = 0, padded = 0, winners = 0, c = 0;
  for (u32 i = 0; i < layer_total; i++) params += layers[i].params;
  weights = arena_floats(params);
  gradients = arena_floats(params);
  momentums = arena_floats(params);
  velocities = arena_floats(params);
  inputs = arena_floats(batch * size_of(input));
  labels = (u32 *)arena_floats(batch);
  f32 *previous = inputs;
  u32 trained_before = 0;
  weight_total = 0;
  for (u32 i = 0; i < layer_total; i++) {
    Layer *l = &layers[i];
    const LayerSpec *s = &l->spec;
    u64 out = size_of(l->out), kernel = 0, positions = batch;
    l->first_param = weight_total;
    l->weights = weights + weight_total;
    l->gradients = gradients + weight_total;
    weight_total += l->params;
    l->needs_input_gradient = trained_before;
    trained_before |= l->trainable > 0;
    l->output = s->kind == FLATTEN ? previous : arena_floats(batch * out);
    previous = l->output;
    if (s->kind == DROPOUT) l->mask = arena_floats(batch * out);
    if (s->kind == BATCH_NORMALIZATION) {
      l->mean = arena_floats(l->in.c);
      l->inverse_std = arena_floats(l->in.c);
    }
    if (s->kind == CONV_2D) {
      u64 rows = s->window_h, columns = s->window_w, pads = (l->in.h + rows) * (l->in.w + columns);
      kernel = rows * columns;
      positions = (u64)l->out.h * l->out.w;
      if (pads * max_u32(l->in.c, l->out.c) > padded) padded = pads * max_u32(l->in.c, l->out.c);
      l->used_h = l->out.h;
      l->used_w = l->out.w;
      if (is_conv_with_pool(i)) {
        const Layer *pool = l + 1;
        u32 h = (pool->out.h - 1) * pool->spec.stride_h + pool->spec.window_h - pool->pad_top;
        u32 w = (pool->out.w - 1) * pool->spec.stride_w + pool->spec.window_w - pool->pad_left;
        l->used_h = min_u32(l->out.h, h);
        l->used_w = min_u32(l->out.w, w);
        u64 entries = (u64)l->out.c * (pool->out.h * pool->out.w + 1);
        if (entries > winners) winners = entries;
        u64 filter = (u64)l->out.c * rows * round_up(s->window_w * l->in.c, 4);
        if (filter > filters) filters = filter;
      }
    }
    if (s->kind == DENSE) kernel = 1;
    if (kernel) {
      /* Empaquetado en los dos sentidos: (entradas → salidas) y girado (salidas → entradas). */
      u64 forward = kernel * l->in.c * round_up(l->out.c, PANEL), back = kernel * l->out.c * round_up(l->in.c, PANEL);
      if (forward > panels) panels = forward;
      if (back > panels) panels = back;
      if (positions * PANEL > panel) panel = positions * PANEL;
    }
    if (l->in.c > c) c = l->in.c;
    if (out > largest && !is_conv_with_pool(i)) largest = out;
  }
  for (u32 i = 0; i < 2; i++) gradient_buffers[i] = arena_floats(batch * largest);
  Scratch *scratch = &context.scratch;
  scratch->padded = arena_floats(padded);
  scratch->padded_gradient = arena_floats(padded);
  scratch->panels = arena_floats(panels);
  scratch->panel = arena_floats(panel);
  scratch->filters = arena_floats(filters);
  scratch->filter_gradients = arena_floats(filters);
  scratch->winner_offset = (u32 *)arena_floats(winners);
  scratch->winner_gradient = arena_floats(winners);
  scratch->winner_count = (u32 *)arena_floats(winners);
  scratch->sums = (f64 *)arena_floats(4 * (c + 4));
  scratch->channels = arena_floats(3 * (c + 4));
}

static enum Status try_build(Shape input, u32 count, u32 batch) {
  failed_at = 0;
  layer_total = 0;
  if (count < 1 || count > MAX_LAYERS) return TOO_MANY_LAYERS;
  if (!in_range(input.h, 1, MAX_SIDE) || !in_range(input.w, 1, MAX_SIDE) || !in_range(input.c, 1, MAX_SIDE))
    return BAD_VALUE;
  if (!in_range(batch, 1, MAX_BATCH)) return BAD_VALUE;
  u32 flat = 0;
  Shape shape = input;
  if ((u64)input.h * input.w * input.c >> 30) return OUT_OF_MEMORY;
  for (u32 i = 0; i < count; i++) {
    failed_at = i;
    layers[i] = (Layer){.spec = description[i], .in = shape};
    if (!is_sane(&description[i])) return BAD_VALUE;
    /* Más de lo que se puede direccionar: se dice ya, antes de que las cuentas de 32 bits se desborden. */
    u64 window = (u64)max_u32(1, description[i].window_h) * max_u32(1, description[i].window_w);
    if (window * shape.c * max_u32(1, description[i].units) >> 30) return OUT_OF_MEMORY;
    enum Status status = place_layer(&layers[i], flat, i + 1 == count);
    if (status != OK) return status;
    shape = layers[i].out;
    if ((u64)shape.h * shape.w * shape.c >> 30) return OUT_OF_MEMORY;
    flat |= layers[i].spec.kind == FLATTEN || layers[i].spec.kind == GLOBAL_AVERAGE_POOLING_2D;
  }
  layer_total = count;
  capacity = batch;
  arena_reset();
  reserve(input);
  if (!arena_failed()) return OK;
  layer_total = 0;
  return OUT_OF_MEMORY;
}

/* Devuelve un `Status`. La descripción se lee de `description_address`; los pesos quedan a cero. */
EXPORT(build) u32 build(u32 height, u32 width, u32 channels, u32 count, u32 batch) {
  enum Status status = try_build((Shape){height, width, channels}, count, batch);
  if (status != OK) return status;
  fill_zero(weights, weight_total);
  fill_zero(gradients, weight_total);
  fill_zero(momentums, weight_total);
  fill_zero(velocities, weight_total);
  steps = 0;
  context.draw_masks = 1;
  return OK;
}

EXPORT(failed_layer) u32 failed_layer(void) { return failed_at; }
EXPORT(description_address) LayerSpec *description_address(void) { return description; }
EXPORT(inputs_address) f32 *inputs_address(void) { return inputs; }
EXPORT(labels_address) u32 *labels_address(void) { return labels; }
EXPORT(weights_address) f32 *weights_address(void) { return weights; }
EXPORT(gradients_address) f32 *gradients_address(void) { return gradients; }
EXPORT(weight_count) u32 weight_count(void) { return weight_total; }
EXPORT(layer_output) f32 *layer_output(u32 i) { return layers[i].output; }
EXPORT(layer_mask) f32 *layer_mask(u32 i) { return layers[i].mask; }
EXPORT(layer_height) u32 layer_height(u32 i) { return layers[i].out.h; }
EXPORT(layer_width) u32 layer_width(u32 i) { return layers[i].out.w; }
EXPORT(layer_channels) u32 layer_channels(u32 i) { return layers[i].out.c; }
EXPORT(seed) void seed(u32 value) { seed_dropout(value); }
/* 0: usar las máscaras de dropout que haya escrito el cargador (para comparar con otra implementación). */
EXPORT(draw_masks) void draw_masks(u32 value) { context.draw_masks = value; }

/* --- Usar ---------------------------------------------------------------------------------------------------- */

/* Las imágenes están ya en `inputs`: (images, alto, ancho, canales). Las probabilidades quedan en la última capa. */
EXPORT(forward) void forward(u32 images, u32 training) {
  context.images = min_u32(images, capacity);
  context.training = training;
  const f32 *input = inputs;
  for (u32 i = 0; i < layer_total; i++) {
    layer_forward(&layers[i], input, &context);
    input = layers[i].output;
  }
}

static const f32 *logits(u32 image) {
  const Layer *before = layer_total > 1 ? &layers[layer_total - 2] : 0;
  return (before ? before->output : inputs) + image * layers[layer_total - 1].out.c;
}

/* Entropía cruzada media del lote, a partir de los logits, como Keras: log Σ eᶻ - z[clase] no se satura cuando la
   probabilidad redondea a cero. */
EXPORT(loss) f64 loss(void) {
  u32 classes = layers[layer_total - 1].out.c;
  f64 total = 0;
  for (u32 b = 0; b < context.images; b++) {
    const f32 *z = logits(b);
    f64 largest = z[0], sum = 0;
    for (u32 k = 1; k < classes; k++) largest = z[k] > largest ? z[k] : largest;
    for (u32 k = 0; k < classes; k++) sum += exp64(z[k] - largest);
    total += log64(sum) + largest - z[labels[b]];
  }
  return total / context.images;
}

/* Cuántas imágenes del lote tienen en su clase la mayor probabilidad. */
EXPORT(correct) u32 correct(void) {
  u32 classes = layers[layer_total - 1].out.c, total = 0;
  for (u32 b = 0; b < context.images; b++) {
    const f32 *p = layers[layer_total - 1].output + b * classes;
    u32 best = 0;
    for (u32 k = 1; k < classes; k++) best = p[k] > p[best] ? k : best;
    total += best == labels[b];
  }
  return total;
}

/* Gradientes de la pérdida media respecto de cada peso. Va después de `forward(…, 1)`. */
EXPORT(backward) void backward(void) {
  u32 last = layer_total - 1, classes = layers[last].out.c;
  f32 *gradient = gradient_buffers[0], *other = gradient_buffers[1];
  fill_zero(gradients, weight_total);
  /* Softmax y entropía cruzada juntas: su gradiente respecto de los logits es (p - y)/lote. */
  for (u32 b = 0; b < context.images; b++)
    for (u32 k = 0; k < classes; k++) {
      u32 at = b * classes + k;
      gradient[at] = (layers[last].output[at] - (labels[b] == k)) / (f32)context.images;
    }
  for (u32 i = last; i-- > 0;) {
    Layer *layer = &layers[i];
    u32 with_pool = i > 0 && is_conv_with_pool(i - 1);
    if (!with_pool && !layer->needs_input_gradient && !layer->trainable) return;
    if (with_pool) i--;
    const f32 *input = i > 0 ? layers[i - 1].output : inputs;
    f32 *input_gradient = layers[i].needs_input_gradient ? other : 0;
    if (with_pool)
      conv_pool_backward(&layers[i], layer, input, gradient, input_gradient, &context);
    else
      layer_backward(layer, input, gradient, input_gradient, &context);
    if (!input_gradient) return;
    other = gradient;
    gradient = input_gradient;
  }
}

EXPORT(adam) void adam(f32 learning_rate, f64 beta_1, f64 beta_2, f32 epsilon) {
  steps++;
  for (u32 i = 0; i < layer_total; i++) {
    u32 at = layers[i].first_param;
    adam_update(weights + at, gradients + at, momentums + at, velocities + at, layers[i].trainable, steps,
                learning_rate, beta_1, beta_2, epsilon);
  }
}

EXPORT(sgd) void sgd(f32 learning_rate, f32 momentum) {
  for (u32 i = 0; i < layer_total; i++) {
    u32 at = layers[i].first_param;
    sgd_update(weights + at, gradients + at, momentums + at, layers[i].trainable, learning_rate, momentum);
  }
}

EXPORT(reset_optimizer) void reset_optimizer(void) {
  fill_zero(momentums, weight_total);
  fill_zero(velocities, weight_total);
  steps = 0;
}
