/* Los optimizadores, con las mismas operaciones y en el mismo orden que Keras 3. */
#ifndef OPTIMIZERS_H
#define OPTIMIZERS_H

#include "simd.h"

/* `momentum` y `velocity` son las medias móviles del gradiente y de su cuadrado. `step` cuenta desde 1. */
void adam_update(f32 *weights, const f32 *gradients, f32 *momentum, f32 *velocity, u32 count, u32 step,
                 f32 learning_rate, f64 beta_1, f64 beta_2, f32 epsilon);

void sgd_update(f32 *weights, const f32 *gradients, f32 *velocity, u32 count, f32 learning_rate, f32 momentum);

#endif
