#include "optimizers.h"

static f64 power(f64 base, u32 exponent) {
  f64 result = 1;
  for (; exponent; exponent >>= 1, base *= base)
    if (exponent & 1) result *= base;
  return result;
}

/* Kingma y Ba (2015), en la forma de Keras: la corrección del arranque va en la tasa,
   alfa = tasa · √(1 - β₂ᵗ) / (1 - β₁ᵗ). Keras la calcula en float32 y aquí también: 1 - 0.999 pierde ahí cinco
   cifras, y con otra precisión los primeros pasos serían otros. */
void adam_update(f32 *weights, const f32 *gradients, f32 *momentum, f32 *velocity, u32 count, u32 step,
                 f32 learning_rate, f64 beta_1, f64 beta_2, f32 epsilon) {
  f32 power_1 = (f32)power((f32)beta_1, step), power_2 = (f32)power((f32)beta_2, step);
  f32 alpha = learning_rate * __builtin_sqrtf(1 - power_2) / (1 - power_1);
  f32 new_1 = (f32)(1 - beta_1), new_2 = (f32)(1 - beta_2);
  u32 i = 0;
  for (; i + 4 <= count; i += 4) {
    f32x4 g = load4(gradients + i), m = load4(momentum + i), v = load4(velocity + i);
    m = add(m, mul(sub(g, m), splat(new_1)));
    v = add(v, mul(sub(mul(g, g), v), splat(new_2)));
    store4(momentum + i, m);
    store4(velocity + i, v);
    f32x4 change = div4(mul(m, splat(alpha)), add(wasm_f32x4_sqrt(v), splat(epsilon)));
    store4(weights + i, sub(load4(weights + i), change));
  }
  for (; i < count; i++) {
    f32 g = gradients[i];
    momentum[i] += (g - momentum[i]) * new_1;
    velocity[i] += (g * g - velocity[i]) * new_2;
    weights[i] -= momentum[i] * alpha / (__builtin_sqrtf(velocity[i]) + epsilon);
  }
}

void sgd_update(f32 *weights, const f32 *gradients, f32 *velocity, u32 count, f32 learning_rate, f32 momentum) {
  for (u32 i = 0; i < count; i++) {
    velocity[i] = velocity[i] * momentum - gradients[i] * learning_rate;
    weights[i] += velocity[i];
  }
}
