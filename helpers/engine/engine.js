// Cargador del motor: una red de Keras dentro de `engine.wasm`, con nombres que reconoce quien usa Keras.
//
// Script clásico, sin dependencias: vale dentro de un *Worker* nacido de un Blob, en la página y en Node (`require`).
// `helpers/engine/description.py` y `runtime.py` hacen lo mismo desde Python; una prueba compara los dos.

const DESCRIPTION_VERSION = 1;
const WORDS_PER_LAYER = 12;
const MAX_LAYERS = 128;

// Los números de `enum Kind` en src/layers.h.
const KINDS = {
  Conv2D: 1,
  Dense: 2,
  BatchNormalization: 3,
  ReLU: 4,
  MaxPooling2D: 5,
  GlobalAveragePooling2D: 6,
  Flatten: 7,
  Dropout: 8,
  Softmax: 9,
};

// `enum Status` de src/network.c, desde 1.
const BUILD_ERRORS = [
  (layer, batch) =>
    `No hay memoria para esta red con lotes de ${batch}. Usa menos filtros, menos unidades o un lote menor.`,
  (layer) => `El motor no conoce la clase de la capa «${layer}».`,
  (layer) => `La capa «${layer}» tiene un número que no vale (tamaño, unidades, lote o tasa).`,
  (layer) =>
    `La ventana de la capa «${layer}» es mayor que la imagen que le llega. Usa menos bloques o una ventana menor.`,
  (layer) => `La capa «${layer}» necesita mapas (alto, ancho, canales) y le llega un vector.`,
  (layer) => `La capa «${layer}» necesita un vector y le llegan mapas. Pon Flatten o GlobalAveragePooling2D antes.`,
  (layer) => `La softmax tiene que estar al final, y solo ahí; falla la capa «${layer}».`,
  () => "La red tiene demasiadas capas o ninguna.",
];

/** Error con un código que la página puede distinguir: "memory", "description", "diverged", "unsupported" o "value". */
class EngineError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "EngineError";
    this.code = code;
  }
}

/** Números seudoaleatorios en [0, 1) con semilla (mulberry32, de Tommy Ettinger): los mismos en todos los navegadores. */
function seededRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function encodeLayer(layer) {
  const { type, name, activation = "linear" } = layer;
  if (!(type in KINDS) && type !== "Activation")
    throw new EngineError("description", `El motor no tiene la capa «${name ?? type}», de la clase ${type}.`);
  if (!["linear", "relu", "softmax"].includes(activation))
    throw new EngineError("description", `El motor no tiene la activación «${activation}» de la capa «${name}».`);
  if (layer.padding !== undefined && !["valid", "same"].includes(layer.padding))
    throw new EngineError("description", `El motor no tiene el relleno «${layer.padding}» de la capa «${name}».`);
  const convolution = type === "Conv2D";
  const batchNormalization = type === "BatchNormalization";
  const window = layer.kernel_size ?? layer.pool_size ?? [0, 0];
  const stride = convolution ? [1, 1] : (layer.strides ?? [0, 0]);
  const word = (kind, values = []) => {
    const [units = 0, h = 0, w = 0, sh = 0, sw = 0, same = 0, relu = 0, bias = 0, scale = 0, rate = 0, epsilon = 0] =
      values;
    return { integers: [KINDS[kind], units, h, w, sh, sw, +same, +relu, +bias, +scale], floats: [rate, epsilon] };
  };
  if (type === "Activation") return { linear: [], relu: [word("ReLU")], softmax: [word("Softmax")] }[activation];
  const words = [
    word(type, [
      layer.filters ?? layer.units,
      ...window,
      ...stride,
      layer.padding === "same",
      activation === "relu",
      batchNormalization ? layer.center : layer.use_bias,
      batchNormalization && layer.scale,
      layer.rate ?? layer.momentum,
      layer.epsilon,
    ]),
  ];
  return activation === "softmax" ? [...words, word("Softmax")] : words;
}

/**
 * Traduce una descripción a las palabras de 32 bits que lee el motor.
 * @returns {{words: Uint32Array, count: number, last: number[]}} `last[i]`: última capa del motor de la capa i de Keras.
 */
function encodeDescription(description) {
  if (description?.version !== DESCRIPTION_VERSION || !Array.isArray(description.layers))
    throw new EngineError("description", `No es una descripción de red de la versión ${DESCRIPTION_VERSION}.`);
  const layers = [];
  const last = description.layers.map((layer) => layers.push(...encodeLayer(layer)) - 1);
  if (layers.at(-1)?.integers[0] !== KINDS.Softmax)
    throw new EngineError(
      "description",
      "La red tiene que acabar en una softmax, que es lo que la entropía cruzada necesita.",
    );
  if (layers.length > MAX_LAYERS)
    throw new EngineError("description", `La red tiene ${layers.length} capas y el motor admite ${MAX_LAYERS}.`);
  const words = new Uint32Array(layers.length * WORDS_PER_LAYER);
  const floats = new Float32Array(words.buffer);
  layers.forEach((layer, i) => {
    words.set(layer.integers, i * WORDS_PER_LAYER);
    floats.set(layer.floats, i * WORDS_PER_LAYER + layer.integers.length);
  });
  return { words, count: layers.length, last };
}

class Engine {
  /**
   * Construye la red. Los pesos quedan a cero hasta `setWeights` o `initWeights`.
   * @param bytes contenido de `engine.wasm`.
   * @param description la de `helpers.engine.describe`.
   * @param options.batchSize cuántas imágenes caben en un paso.
   * @param options.seed semilla de las máscaras de dropout.
   */
  static async create(bytes, description, { batchSize = 32, seed = 1 } = {}) {
    const program = encodeDescription(description);
    if (typeof WebAssembly !== "object" || !WebAssembly.validate(bytes))
      throw new EngineError(
        "unsupported",
        "Este navegador es anterior a WebAssembly con SIMD (2021): no puede entrenar. Actualízalo.",
      );
    const { instance } = await WebAssembly.instantiate(bytes, {});
    return new Engine(instance.exports, description, program, batchSize, seed);
  }

  constructor(exports, description, program, batchSize, seed) {
    this.description = description;
    this.batchSize = batchSize;
    this.exports = exports;
    this.program = program;
    new Uint32Array(exports.memory.buffer, exports.description_address(), program.words.length).set(program.words);
    const status = exports.build(...description.input_shape, program.count, batchSize);
    if (status) {
      const position = Math.max(
        0,
        program.last.findIndex((last) => exports.failed_layer() <= last),
      );
      const layer = description.layers[position];
      throw new EngineError(
        status === 1 ? "memory" : "description",
        BUILD_ERRORS[status - 1](layer.name ?? layer.type, batchSize),
      );
    }
    exports.seed(seed);
    this.imageSize = description.input_shape.reduce((a, b) => a * b, 1);
    this.numClasses = exports.layer_channels(program.count - 1);
    this.weightInfo = this.#describeWeights();
  }

  /** Bytes que ocupa el motor. */
  get memoryBytes() {
    return this.exports.memory.buffer.byteLength;
  }

  // Las vistas se toman cada vez: cuando la memoria crece, las anteriores dejan de valer.
  #floats(address, count) {
    return new Float32Array(this.exports.memory.buffer, address >>> 0, count);
  }

  #describeWeights() {
    const info = [];
    let channels = this.description.input_shape[2];
    this.description.layers.forEach((layer, i) => {
      const last = this.program.last[i];
      const out = last < 0 ? channels : this.exports.layer_channels(last);
      const put = (name, shape) => info.push({ layer: layer.name, name: `${layer.name}/${name}`, shape });
      if (layer.type === "Conv2D" || layer.type === "Dense") {
        put("kernel", [...(layer.kernel_size ?? []), channels, out]);
        if (layer.use_bias) put("bias", [out]);
      }
      if (layer.type === "BatchNormalization") {
        if (layer.scale) put("gamma", [out]);
        if (layer.center) put("beta", [out]);
        put("moving_mean", [out]);
        put("moving_variance", [out]);
      }
      channels = out;
    });
    return info;
  }

  // --- Pesos ---

  #split(address) {
    let start = 0;
    const flat = this.#floats(address, this.exports.weight_count());
    return this.weightInfo.map(({ name, shape }) => {
      const size = shape.reduce((a, b) => a * b, 1);
      start += size;
      return { name, shape, values: flat.slice(start - size, start) };
    });
  }

  /** Copia de los pesos, en el orden de Keras: [{name, shape, values}]. */
  getWeights() {
    return this.#split(this.exports.weights_address());
  }

  /** Gradientes del último paso, en el mismo orden. */
  getGradients() {
    return this.#split(this.exports.gradients_address());
  }

  /** Pone los pesos: una lista en el orden de Keras, de {values} o de arrays. */
  setWeights(weights) {
    const arrays = weights.map((w) => (ArrayBuffer.isView(w) ? w : w.values));
    const sizes = this.weightInfo.map(({ shape }) => shape.reduce((a, b) => a * b, 1));
    if (arrays.length !== sizes.length || arrays.some((a, i) => a.length !== sizes[i]))
      throw new EngineError("value", "Los pesos no son los de esta red: no coinciden en número o en tamaño.");
    const flat = this.#floats(this.exports.weights_address(), this.exports.weight_count());
    let start = 0;
    for (const array of arrays) {
      flat.set(array, start);
      start += array.length;
    }
  }

  /**
   * Sortea los pesos como Keras: el reparto que dice cada capa para los kernels, ceros para los sesgos, unos para gamma y la
   * varianza. También reinicia el optimizador.
   * @param scheme "keras", o "zeros" para ver qué pasa si todos los pesos empiezan a cero.
   */
  initWeights(seed, scheme = "keras") {
    const random = seededRandom(seed);
    const layers = new Map(this.description.layers.map((layer) => [layer.name, layer]));
    this.setWeights(
      this.weightInfo.map(({ layer, name, shape }) => {
        const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
        if (name.endsWith("/gamma") || name.endsWith("/moving_variance")) values.fill(1);
        if (!name.endsWith("/kernel") || scheme === "zeros") return values;
        const scaling = layers.get(layer).kernel_initializer;
        if (!scaling) throw new EngineError("description", `El motor no sabe sortear los pesos de la capa «${layer}».`);
        return fillVarianceScaling(values, shape, scaling, random);
      }),
    );
    this.exports.reset_optimizer();
  }

  // --- Usar ---

  /** Copia imágenes (Float32Array en [0, 1], o Uint8Array de 0 a 255) y etiquetas. Devuelve cuántas son. */
  #load(images, labels = null) {
    const count = images.length / this.imageSize;
    if (!Number.isInteger(count) || count < 1 || count > this.batchSize)
      throw new EngineError(
        "value",
        `Se esperaban de 1 a ${this.batchSize} imágenes de ${this.imageSize} valores y llegan ${images.length} valores.`,
      );
    const inputs = this.#floats(this.exports.inputs_address(), images.length);
    if (images instanceof Uint8Array) for (let i = 0; i < images.length; i++) inputs[i] = images[i] / 255;
    else inputs.set(images);
    if (labels) {
      if (labels.length !== count || labels.some((y) => !(y >= 0 && y < this.numClasses)))
        throw new EngineError("value", `Las etiquetas deben ser ${count} enteros de 0 a ${this.numClasses - 1}.`);
      new Uint32Array(this.exports.memory.buffer, this.exports.labels_address() >>> 0, count).set(labels);
    }
    return count;
  }

  /** Máscaras de dropout dadas (ya escaladas), por nombre de capa; `null` las sortea. Solo para comparar con otra red. */
  #setMasks(masks) {
    this.exports.draw_masks(masks ? 0 : 1);
    if (!masks) return;
    this.description.layers.forEach((layer, i) => {
      if (layer.type !== "Dropout") return;
      const values = masks[layer.name];
      this.#floats(this.exports.layer_mask(this.program.last[i]), values.length).set(values);
    });
  }

  /** Probabilidades de hasta `batchSize` imágenes: Float32Array (imágenes × clases). */
  forward(images) {
    const count = this.#load(images);
    this.exports.forward(count, 0);
    return this.#floats(this.exports.layer_output(this.program.count - 1), count * this.numClasses).slice();
  }

  /**
   * Un paso de entrenamiento.
   * @param optimizer {name: "adam", learning_rate, beta_1, beta_2, epsilon} o {name: "sgd", learning_rate, momentum}.
   * @returns {{loss: number, correct: number, count: number}} de antes de cambiar los pesos.
   */
  trainStep(images, labels, optimizer, masks = null) {
    const { exports } = this;
    const count = this.#load(images, labels);
    this.#setMasks(masks);
    exports.forward(count, 1);
    const loss = exports.loss();
    if (!Number.isFinite(loss))
      throw new EngineError(
        "diverged",
        "La pérdida ha dejado de ser un número: el entrenamiento diverge. Baja la tasa de aprendizaje.",
      );
    const correct = exports.correct();
    exports.backward();
    const { name, learning_rate: rate } = optimizer;
    if (name === "adam")
      exports.adam(rate, optimizer.beta_1 ?? 0.9, optimizer.beta_2 ?? 0.999, optimizer.epsilon ?? 1e-7);
    else if (name === "sgd") exports.sgd(rate, optimizer.momentum ?? 0);
    else throw new EngineError("value", `El motor tiene los optimizadores adam y sgd, no «${name}».`);
    return { loss, correct, count };
  }

  /** Pérdida y exactitud sobre cualquier número de imágenes, sin dropout. */
  evaluate(images, labels) {
    let loss = 0;
    let correct = 0;
    for (let start = 0; start < labels.length; start += this.batchSize) {
      const end = Math.min(labels.length, start + this.batchSize);
      const count = this.#load(
        images.subarray(start * this.imageSize, end * this.imageSize),
        labels.subarray(start, end),
      );
      this.exports.forward(count, 0);
      loss += this.exports.loss() * count;
      correct += this.exports.correct();
    }
    return { loss: loss / labels.length, accuracy: correct / labels.length };
  }

  /** Salida de una capa para la imagen `image` del último `forward`: {shape: [alto, ancho, canales], values}. */
  activations(name, image = 0) {
    const index = this.program.last[this.description.layers.findIndex((layer) => layer.name === name)];
    if (index === undefined) throw new EngineError("value", `No hay ninguna capa «${name}».`);
    const { exports } = this;
    const shape = [exports.layer_height(index), exports.layer_width(index), exports.layer_channels(index)];
    const size = shape[0] * shape[1] * shape[2];
    return { shape, values: this.#floats(exports.layer_output(index) + 4 * image * size, size).slice() };
  }

  /** Los filtros de la primera convolución: {shape: [alto, ancho, canales, filtros], values}, o `null` si no hay. */
  filters() {
    const first = this.description.layers.find((layer) => layer.type === "Conv2D");
    return first ? this.getWeights().find(({ name }) => name === `${first.name}/kernel`) : null;
  }

  /** Semilla de las máscaras de dropout. */
  seed(value) {
    this.exports.seed(value);
  }
}

// VarianceScaling de Keras: la varianza es escala/n, con n entradas (fan_in) o la media de entradas y salidas (fan_avg).
function fillVarianceScaling(values, shape, { scale, mode, distribution }, random) {
  const window = shape.slice(0, -2).reduce((a, b) => a * b, 1);
  const fanIn = shape.at(-2) * window;
  const fanOut = shape.at(-1) * window;
  const variance = scale / Math.max(1, { fan_in: fanIn, fan_out: fanOut, fan_avg: (fanIn + fanOut) / 2 }[mode]);
  if (distribution === "uniform") {
    const limit = Math.sqrt(3 * variance);
    for (let i = 0; i < values.length; i++) values[i] = (2 * random() - 1) * limit;
    return values;
  }
  // Normal recortada a dos desviaciones; el divisor le devuelve la varianza que el recorte le quita.
  const deviation = Math.sqrt(variance) / (distribution === "truncated_normal" ? 0.87962566103423978 : 1);
  for (let i = 0; i < values.length;) {
    const z = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    if (distribution !== "truncated_normal" || Math.abs(z) <= 2) values[i++] = z * deviation;
  }
  return values;
}

if (typeof module === "object") module.exports = { Engine, EngineError, encodeDescription, seededRandom };
