/* Las capas, con los nombres de Keras. Cada una sabe ir hacia delante y hacia atrás; `network.c` las encadena. */
#ifndef LAYERS_H
#define LAYERS_H

#include "simd.h"

enum Kind {
  CONV_2D = 1,
  DENSE,
  BATCH_NORMALIZATION,
  RELU,
  MAX_POOLING_2D,
  GLOBAL_AVERAGE_POOLING_2D,
  FLATTEN,
  DROPOUT,
  SOFTMAX,
};

/* Una capa tal como llega del cargador: 12 palabras de 32 bits, en este orden. Lo que una capa no usa va a cero. */
typedef struct {
  i32 kind;
  i32 units;              /* filtros o unidades */
  i32 window_h, window_w; /* núcleo de la convolución o ventana de la agrupación */
  i32 stride_h, stride_w; /* paso de la agrupación */
  i32 same;               /* relleno: 0 = "valid", 1 = "same" */
  i32 relu;               /* activación unida a la capa */
  i32 use_bias;           /* sesgo; en BatchNormalization, `center` */
  i32 scale;              /* BatchNormalization: `scale` */
  f32 rate;               /* Dropout: `rate`; BatchNormalization: `momentum` */
  f32 epsilon;            /* BatchNormalization */
} LayerSpec;

typedef struct {
  u32 h, w, c;
} Shape;

typedef struct {
  LayerSpec spec;
  Shape in, out;
  u32 pad_top, pad_left, padded_h, padded_w; /* entrada con relleno */
  u32 used_h, used_w;        /* parte de la salida que lee la agrupación siguiente; si no la hay, toda */
  u32 first_param;           /* posición de su primer peso */
  u32 trainable, params;     /* pesos que se entrenan, y en total (con las medias móviles) */
  u32 needs_input_gradient;  /* alguna capa anterior se entrena */
  f32 *weights, *gradients;  /* los suyos, dentro de los de la red, en el orden de Keras */
  f32 *output;               /* (lote, h, w, c) */
  f32 *mask;                 /* Dropout: 0 o 1/(1-rate) por valor */
  f32 *mean, *inverse_std;   /* BatchNormalization: los del último lote */
} Layer;

/* Sitio que las capas comparten, del tamaño de la que más pide. */
typedef struct {
  f32 *padded, *padded_gradient; /* una imagen con su relleno */
  f32 *panels;                   /* un kernel empaquetado */
  f32 *panel;                    /* 8 columnas del gradiente */
  f32 *filters, *filter_gradients; /* kernel y gradiente por filas de filtro */
  u32 *winner_offset, *winner_count;
  f32 *winner_gradient;
  f64 *sums;                       /* por canal, dos veces */
  f32 *channels;                   /* por canal, tres veces */
} Scratch;

typedef struct {
  u32 images;   /* cuántas del lote están en uso */
  u32 training; /* 1: dropout y estadísticas del lote */
  u32 draw_masks; /* 1: sortear las máscaras; 0: usar las que haya puesto el cargador */
  Scratch scratch;
} Context;

INLINE u32 size_of(Shape s) { return s.h * s.w * s.c; }

void layer_forward(const Layer *layer, const f32 *input, const Context *context);

/* `gradient` es el de la salida y se puede pisar; deja en `input_gradient` el de la entrada, salvo si es NULL. */
void layer_backward(const Layer *layer, const f32 *input, f32 *gradient, f32 *input_gradient, const Context *context);

/* Convolución seguida de agrupación máxima: solo reciben gradiente las posiciones que ganaron en su ventana, una de
   cada cuatro con 2×2, y de ellas las que la ReLU dejó pasar. Se visitan esas y ninguna más. */
void conv_pool_backward(const Layer *conv, const Layer *pool, const f32 *input, const f32 *pool_gradient,
                        f32 *input_gradient, const Context *context);

void seed_dropout(u32 seed);

/* exp y log sin biblioteca, en doble precisión: se usan diez veces por imagen. */
f64 exp64(f64 x);
f64 log64(f64 x);

#endif
