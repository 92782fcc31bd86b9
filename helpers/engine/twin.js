// El gemelo: la red del libro en JavaScript llano, escrita para leerse. Hace las mismas cuentas que
// el motor, una detrás de otra, y sirve para comprobarlo: si los dos, y Keras, dan los mismos
// gradientes, los tres están bien. Ninguna página lo ejecuta: «El motor, línea por línea» lo enseña.
//
//   imagen → convolución 3×3 + ReLU → agrupación 2×2 → convolución 3×3 + ReLU → agrupación 2×2
//          → densa + ReLU → densa → softmax
//
// Todo son arrays de una dimensión. Una imagen de alto H, ancho W y C canales guarda seguidos los C
// canales de cada píxel, de izquierda a derecha y de arriba abajo: el canal c del píxel (y, x) está
// en la posición (y·W + x)·C + c. Un kernel 3×3 de C canales y F filtros guarda el peso (i, j, c,
// f) en ((i·3 + j)·C + c)·F + f. Son los órdenes de Keras.

const KERNEL = 3;
const POOL = 2;

// --- Hacia delante -------------------------------------------------------------------------------

/**
 * Convolución 3×3 con relleno "valid" y ReLU. Siete bucles: la imagen, la posición de la salida (y,
 * x), la posición dentro del núcleo (i, j), el canal de la entrada (c) y el filtro (f).
 */
function convolutionForward(
  input,
  images,
  [height, width, channels],
  kernel,
  bias,
  filters,
) {
  const outHeight = height - KERNEL + 1;
  const outWidth = width - KERNEL + 1;
  const output = new Float32Array(images * outHeight * outWidth * filters);
  for (let n = 0; n < images; n++)
    for (let y = 0; y < outHeight; y++)
      for (let x = 0; x < outWidth; x++) {
        const out = ((n * outHeight + y) * outWidth + x) * filters;
        for (let f = 0; f < filters; f++) output[out + f] = bias[f];
        for (let i = 0; i < KERNEL; i++)
          for (let j = 0; j < KERNEL; j++) {
            const pixel = ((n * height + y + i) * width + x + j) * channels;
            for (let c = 0; c < channels; c++) {
              const value = input[pixel + c];
              const weight = ((i * KERNEL + j) * channels + c) * filters;
              for (let f = 0; f < filters; f++)
                output[out + f] += value * kernel[weight + f];
            }
          }
        for (let f = 0; f < filters; f++)
          output[out + f] = Math.max(0, output[out + f]);
      }
  return { output, shape: [outHeight, outWidth, filters] };
}

/**
 * Agrupación máxima 2×2. Además del máximo guarda dónde estaba: el camino hacia atrás lo necesita.
 */
function poolingForward(input, images, [height, width, channels]) {
  // Si sobra una fila o una columna, nadie la mira.
  const outHeight = Math.floor(height / POOL);
  const outWidth = Math.floor(width / POOL);
  const output = new Float32Array(images * outHeight * outWidth * channels);
  const winner = new Uint32Array(output.length);
  for (let n = 0; n < images; n++)
    for (let y = 0; y < outHeight; y++)
      for (let x = 0; x < outWidth; x++)
        for (let c = 0; c < channels; c++) {
          let best = -1;
          for (let i = 0; i < POOL; i++)
            for (let j = 0; j < POOL; j++) {
              const row = n * height + POOL * y + i;
              const position = (row * width + POOL * x + j) * channels + c;
              if (best < 0 || input[position] > input[best]) best = position;
            }
          const out = ((n * outHeight + y) * outWidth + x) * channels + c;
          output[out] = input[best];
          winner[out] = best;
        }
  return { output, winner, shape: [outHeight, outWidth, channels] };
}

/** Capa densa: cada unidad suma todas las entradas, cada una con su peso. */
function denseForward(input, images, kernel, bias, units) {
  const inputs = input.length / images;
  const output = new Float32Array(images * units);
  for (let n = 0; n < images; n++) {
    for (let u = 0; u < units; u++) output[n * units + u] = bias[u];
    for (let k = 0; k < inputs; k++) {
      const value = input[n * inputs + k];
      for (let u = 0; u < units; u++)
        output[n * units + u] += value * kernel[k * units + u];
    }
  }
  return output;
}

/**
 * Softmax y entropía cruzada. La pérdida sale de los logits, como en Keras: log Σ eᶻ − z[clase]
 * nunca es log(0).
 */
function softmaxCrossEntropy(logits, images, classes, labels) {
  const probabilities = new Float32Array(logits.length);
  let loss = 0;
  for (let n = 0; n < images; n++) {
    const z = logits.subarray(n * classes, (n + 1) * classes);
    // Restar el mayor no cambia el cociente y evita que e^z se desborde.
    const largest = Math.max(...z);
    let sum = 0;
    for (const value of z) sum += Math.exp(value - largest);
    for (let k = 0; k < classes; k++)
      probabilities[n * classes + k] = Math.exp(z[k] - largest) / sum;
    loss += Math.log(sum) + largest - z[labels[n]];
  }
  return { probabilities, loss: loss / images };
}

// --- Hacia atrás: la regla de la cadena, capa por capa, desde la salida --------------------------

/**
 * Gradiente de la pérdida media respecto de los logits: p − 1 en la clase correcta y p en las
 * demás, entre las imágenes.
 */
function softmaxBackward(probabilities, images, classes, labels) {
  const gradient = probabilities.map((p) => p / images);
  for (let n = 0; n < images; n++)
    gradient[n * classes + labels[n]] -= 1 / images;
  return gradient;
}

/** La ReLU deja pasar el gradiente donde dejó pasar el valor. */
function reluBackward(output, gradient) {
  return gradient.map((g, i) => (output[i] > 0 ? g : 0));
}

/**
 * Capa densa. La salida u es Σ entrada k · peso (k, u): el peso recibe entrada · gradiente, y la
 * entrada recibe peso · gradiente.
 */
function denseBackward(
  input,
  images,
  kernel,
  gradient,
  kernelGradient,
  biasGradient,
) {
  const inputs = input.length / images;
  const units = gradient.length / images;
  const inputGradient = new Float32Array(input.length);
  for (let n = 0; n < images; n++) {
    for (let u = 0; u < units; u++)
      biasGradient[u] += gradient[n * units + u];
    for (let k = 0; k < inputs; k++) {
      let sum = 0;
      for (let u = 0; u < units; u++) {
        const g = gradient[n * units + u];
        kernelGradient[k * units + u] += input[n * inputs + k] * g;
        sum += kernel[k * units + u] * g;
      }
      inputGradient[n * inputs + k] = sum;
    }
  }
  return inputGradient;
}

/**
 * Agrupación: solo el que ganó influyó en la salida, así que el gradiente entero es para él y los
 * otros tres reciben cero.
 */
function poolingBackward(inputLength, winner, gradient) {
  const inputGradient = new Float32Array(inputLength);
  gradient.forEach((g, out) => (inputGradient[winner[out]] += g));
  return inputGradient;
}

/**
 * Convolución. Los mismos siete bucles: cada producto entrada · peso de la ida reparte ahora el
 * gradiente de su salida, entrada · g al peso y peso · g a la entrada. Detrás hay una agrupación y
 * una ReLU, así que casi todos los gradientes son cero y no hay nada que repartir: saltarlos es lo
 * que hace rápido al motor.
 */
function convolutionBackward(
  input,
  images,
  [height, width, channels],
  kernel,
  filters,
  gradient,
  kernelGradient,
  biasGradient,
) {
  const outHeight = height - KERNEL + 1;
  const outWidth = width - KERNEL + 1;
  const inputGradient = new Float32Array(input.length);
  for (let n = 0; n < images; n++)
    for (let y = 0; y < outHeight; y++)
      for (let x = 0; x < outWidth; x++)
        for (let f = 0; f < filters; f++) {
          const out = ((n * outHeight + y) * outWidth + x) * filters + f;
          const g = gradient[out];
          if (g === 0) continue;
          biasGradient[f] += g;
          for (let i = 0; i < KERNEL; i++)
            for (let j = 0; j < KERNEL; j++) {
              const pixel = ((n * height + y + i) * width + x + j) * channels;
              for (let c = 0; c < channels; c++) {
                const cell = (i * KERNEL + j) * channels + c;
                const weight = cell * filters + f;
                kernelGradient[weight] += input[pixel + c] * g;
                inputGradient[pixel + c] += kernel[weight] * g;
              }
            }
        }
  return inputGradient;
}

// --- Aprender ------------------------------------------------------------------------------------

/**
 * Adam (Kingma y Ba, 2015), como en Keras. Cada peso lleva una media del gradiente (m) y otra de su
 * cuadrado (v); el paso es m / √v, así que un gradiente que siempre apunta al mismo lado avanza y
 * uno que cambia de signo se frena. Las medias empiezan en cero: alfa corrige lo que se quedan
 * cortas al principio.
 */
function adamUpdate(weights, gradients, m, v, step, learningRate) {
  const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-7];
  const correction = Math.sqrt(1 - beta2 ** step) / (1 - beta1 ** step);
  const alpha = learningRate * correction;
  for (let i = 0; i < weights.length; i++) {
    m[i] += (1 - beta1) * (gradients[i] - m[i]);
    v[i] += (1 - beta2) * (gradients[i] ** 2 - v[i]);
    weights[i] -= (alpha * m[i]) / (Math.sqrt(v[i]) + epsilon);
  }
}

// --- La red --------------------------------------------------------------------------------------

class TwinNetwork {
  /**
   * @param weights ocho arrays en el orden de `model.get_weights()`: kernel y sesgo de cada
   * convolución y de cada capa densa.
   */
  constructor(weights, inputShape = [32, 32, 3]) {
    this.inputShape = inputShape;
    this.weights = weights.map((w) => Float32Array.from(w));
    this.momentum = this.weights.map((w) => new Float32Array(w.length));
    this.velocity = this.weights.map((w) => new Float32Array(w.length));
    this.steps = 0;
  }

  /** Guarda la salida de cada capa: hacia atrás hacen falta todas. */
  forward(images, labels) {
    const count = labels.length;
    const [kernel1, bias1, kernel2, bias2, kernel3, bias3, kernel4, bias4] = this.weights;
    const conv1 = convolutionForward(images, count, this.inputShape, kernel1, bias1, bias1.length);
    const pool1 = poolingForward(conv1.output, count, conv1.shape);
    const conv2 = convolutionForward(
      pool1.output,
      count,
      pool1.shape,
      kernel2,
      bias2,
      bias2.length,
    );
    const pool2 = poolingForward(conv2.output, count, conv2.shape);
    // Aplanar no mueve nada: la capa densa lee el mismo array como si fuera una fila por imagen.
    const dense = denseForward(pool2.output, count, kernel3, bias3, bias3.length).map((z) =>
      Math.max(0, z),
    );
    const logits = denseForward(dense, count, kernel4, bias4, bias4.length);
    const { probabilities, loss } = softmaxCrossEntropy(logits, count, bias4.length, labels);
    return { images, labels, conv1, pool1, conv2, pool2, dense, probabilities, loss };
  }

  /** Los ocho gradientes, en el orden de los pesos. */
  backward(cache) {
    const { images, labels, conv1, pool1, conv2, pool2, dense } = cache;
    const count = labels.length;
    const [kernel1, bias1, kernel2, bias2] = this.weights;
    const [kernel3, , kernel4, bias4] = this.weights.slice(4);
    const gradients = this.weights.map((w) => new Float32Array(w.length));
    const [dKernel1, dBias1, dKernel2, dBias2] = gradients;
    const [dKernel3, dBias3, dKernel4, dBias4] = gradients.slice(4);
    const classes = bias4.length;
    let flow = softmaxBackward(cache.probabilities, count, classes, labels);
    flow = denseBackward(dense, count, kernel4, flow, dKernel4, dBias4);
    flow = reluBackward(dense, flow);
    flow = denseBackward(pool2.output, count, kernel3, flow, dKernel3, dBias3);
    flow = poolingBackward(conv2.output.length, pool2.winner, flow);
    flow = reluBackward(conv2.output, flow);
    flow = convolutionBackward(
      pool1.output,
      count,
      pool1.shape,
      kernel2,
      bias2.length,
      flow,
      dKernel2,
      dBias2,
    );
    flow = poolingBackward(conv1.output.length, pool1.winner, flow);
    flow = reluBackward(conv1.output, flow);
    convolutionBackward(
      images,
      count,
      this.inputShape,
      kernel1,
      bias1.length,
      flow,
      dKernel1,
      dBias1,
    );
    return gradients;
  }

  /** Un paso de entrenamiento con Adam. Devuelve la pérdida de antes del paso. */
  trainStep(images, labels, learningRate) {
    const cache = this.forward(images, labels);
    const gradients = this.backward(cache);
    this.steps += 1;
    this.weights.forEach((w, i) =>
      adamUpdate(
        w,
        gradients[i],
        this.momentum[i],
        this.velocity[i],
        this.steps,
        learningRate,
      ),
    );
    return cache.loss;
  }
}

if (typeof module === "object") module.exports = { TwinNetwork };
