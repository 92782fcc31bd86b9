// El entrenamiento, en un *Worker*: la página nunca espera. Se arranca desde un Blob con `worker_source()`, que pone delante
// `ENGINE_WASM` (engine.wasm en base64), `weights.js` y `engine.js`.
//
// Mensajes que recibe ({type, …}) y con qué responde:
//   data {train, validation}          imágenes uint8 y etiquetas: {images, labels}            → nada
//   sample {id, file, label}          lee la muestra de `export_sample`, sin frenar la página → sample
//   build {description, batchSize, seed, weights?, initialization?}                           → ready
//   build {file, label, batchSize}    la red de un archivo de `export_weights`, con sus pesos → ready
//   train {epochs, batchSize, optimizer, seed, augmentation?}  una época tras otra            → step…, epoch…, done
//   stop / continue                   se detiene tras el paso en curso, y sigue donde estaba  → stopped / resumed
//   reset {seed, initialization?}     pesos nuevos y optimizador a cero                       → ready
//   infer {id, images, activations?}  `activations`: true o lista de capas                    → inference
//   evaluate {id, part}                                                                       → evaluation
//   weights {id}                      los pesos de ahora                                      → weights
//   export {id, name, classNames?}    los pesos de ahora, para `helpers.web_export.load`      → export
// Además: `diverged` si la pérdida deja de ser un número, y `error` {code, message, id} con el motivo en español.
//
// Los mensajes se atienden de uno en uno, en orden: un `infer` que llega antes de tiempo espera a que la red exista. Entrenar
// es una cadena de turnos cortos en esa misma cola, y por eso *detener* y *clasificar* se atienden también a media época.

const TURN_MS = 40; // lo que dura un turno: es lo más que espera un mensaje
const PROGRESS_MS = 100; // como mucho, diez avisos por segundo

const lab = { engine: null, build: null, data: {}, run: null };
let queue = Promise.resolve();
const nextTurn = new MessageChannel(); // un temporizador añadiría 4 ms entre turno y turno
let turnScheduled = false;
nextTurn.port1.onmessage = () => {
  turnScheduled = false;
  enqueue(trainTurn);
};

function scheduleTurn() {
  if (turnScheduled) return; // parar y seguir muy deprisa no debe poner dos cadenas en marcha
  turnScheduled = true;
  nextTurn.port2.postMessage(0);
}

function enqueue(job, id) {
  queue = queue.then(job).catch((error) => {
    const message = error.code ? error.message : `El motor ha fallado: ${error.message}`;
    postMessage({ type: "error", id, code: error.code ?? "unknown", message });
  });
}

onmessage = ({ data: message }) => enqueue(() => attend(message), message.id);

function attend(message) {
  const handler = handlers[message.type];
  if (!handler) throw new EngineError("value", `El motor no entiende el mensaje «${message.type}».`);
  return handler(message);
}

function network() {
  if (!lab.engine) throw new EngineError("value", "Todavía no hay ninguna red: falta el mensaje «build».");
  return lab.engine;
}

const handlers = {
  data({ train, validation }) {
    lab.data = { train, validation };
  },

  sample({ id, file, label }) {
    postMessage({ type: "sample", id, ...decodeSample(file, label) });
  },

  async build({
    description,
    batchSize = 32,
    seed = 1,
    weights = null,
    initialization = "keras",
    file = null,
    label = "",
  }) {
    const recorded = file && decodeWeights(file, label);
    lab.run = null;
    lab.engine = null; // antes de pedir memoria para la nueva, se suelta la anterior
    lab.engine = await Engine.create(bytesFromBase64(ENGINE_WASM), recorded?.description ?? description, {
      batchSize,
      seed,
    });
    lab.build = { seed, initialization };
    if (recorded ?? weights) lab.engine.setWeights(recorded?.weights ?? weights);
    else lab.engine.initWeights(seed, initialization);
    announceReady(recorded?.classNames);
  },

  reset({ seed = lab.build?.seed, initialization = lab.build?.initialization }) {
    lab.run = null;
    network().initWeights(seed, initialization);
    announceReady();
  },

  train({ epochs, batchSize = 32, optimizer, seed = 1, augmentation = null }) {
    const engine = network();
    if (!lab.data.train?.labels.length)
      throw new EngineError("value", "No hay imágenes de entrenamiento: falta el mensaje «data».");
    if (!(optimizer?.learning_rate >= 0))
      throw new EngineError("value", "La tasa de aprendizaje tiene que ser un número positivo.");
    if (!(batchSize >= 1 && batchSize <= engine.batchSize))
      throw new EngineError(
        "value",
        `El lote tiene que estar entre 1 y ${engine.batchSize}, lo que se reservó al crear la red.`,
      );
    engine.seed(seed);
    lab.run = {
      epochs,
      batchSize,
      optimizer,
      augmentation,
      random: seededRandom(seed),
      order: Uint32Array.from(lab.data.train.labels, (_, i) => i),
      images: new Uint8Array(batchSize * engine.imageSize),
      labels: new Uint32Array(batchSize),
      epoch: 0,
      position: 0,
      paused: false,
      started: performance.now(),
      reported: 0,
      loss: 0,
      correct: 0,
      seen: 0,
    };
    scheduleTurn();
  },

  stop() {
    if (!lab.run || lab.run.paused) return;
    lab.run.paused = true;
    postMessage({ type: "stopped", epoch: lab.run.epoch + 1, ...progress(lab.run) });
  },

  continue() {
    if (!lab.run?.paused) return;
    lab.run.paused = false;
    postMessage({ type: "resumed" });
    scheduleTurn();
  },

  infer({ id, images, activations = false }) {
    const engine = network();
    const started = performance.now();
    const probabilities = engine.forward(images);
    const milliseconds = performance.now() - started;
    const all = engine.description.layers.map((layer) => layer.name);
    const names = activations === true ? all : activations || [];
    const maps = Object.fromEntries(names.map((name) => [name, engine.activations(name)]));
    postMessage({ type: "inference", id, probabilities, activations: maps, milliseconds });
  },

  evaluate({ id, part = "validation" }) {
    const { images, labels } = lab.data[part] ?? { labels: [] };
    if (!labels.length) throw new EngineError("value", `No hay imágenes en la parte «${part}».`);
    postMessage({ type: "evaluation", id, part, ...network().evaluate(images, labels) });
  },

  weights({ id }) {
    postMessage({ type: "weights", id, weights: network().getWeights() });
  },

  export({ id, name, classNames }) {
    const engine = network();
    postMessage({
      type: "export",
      id,
      text: encodeWeights(engine.description, engine.getWeights(), { name, classNames }),
    });
  },
};

function announceReady(classNames = null) {
  const { engine } = lab;
  postMessage({
    type: "ready",
    classNames,
    filters: engine.filters(),
    weights: engine.weightInfo,
    memoryBytes: engine.memoryBytes,
  });
}

// --- Entrenar ---

function trainTurn() {
  const { run } = lab;
  if (!run || run.paused) return;
  const turnEnds = performance.now() + TURN_MS;
  try {
    while (performance.now() < turnEnds) {
      if (run.position === 0) shuffle(run.order, run.random);
      trainBatch(run);
      if (run.position >= run.order.length && !finishEpoch(run)) return;
    }
  } catch (error) {
    lab.run = null;
    if (error.code !== "diverged") throw error;
    postMessage({ type: "diverged", epoch: run.epoch + 1, message: error.message, ...progress(run) });
    return;
  }
  if (performance.now() - run.reported > PROGRESS_MS) {
    run.reported = performance.now();
    postMessage({ type: "step", epoch: run.epoch + 1, ...progress(run) });
  }
  scheduleTurn();
}

/** Media de lo que va de época, como la que enseña Keras: cada lote, con los pesos que había entonces. */
function progress({ loss, correct, seen, order }) {
  return { seen, total: order.length, loss: seen ? loss / seen : null, accuracy: seen ? correct / seen : null };
}

function shuffle(order, random) {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
}

function trainBatch(run) {
  const { engine, data } = lab;
  const count = Math.min(run.batchSize, run.order.length - run.position);
  for (let i = 0; i < count; i++) {
    const source = run.order[run.position + i];
    const image = data.train.images.subarray(source * engine.imageSize, (source + 1) * engine.imageSize);
    const target = run.images.subarray(i * engine.imageSize, (i + 1) * engine.imageSize);
    if (run.augmentation) augment(image, target, engine.description.input_shape, run.augmentation, run.random);
    else target.set(image);
    run.labels[i] = data.train.labels[source];
  }
  const step = engine.trainStep(
    run.images.subarray(0, count * engine.imageSize),
    run.labels.subarray(0, count),
    run.optimizer,
  );
  run.position += count;
  run.seen += count;
  run.loss += step.loss * count;
  run.correct += step.correct;
}

/** Volteo horizontal y desplazamiento al azar; lo que queda fuera repite el borde (`fill_mode="nearest"`). */
function augment(image, target, [height, width, channels], { flip = false, shift = 0 }, random) {
  const flipped = flip && random() < 0.5;
  const dy = Math.floor(random() * (2 * shift + 1)) - shift;
  const dx = Math.floor(random() * (2 * shift + 1)) - shift;
  for (let y = 0; y < height; y++) {
    const row = Math.min(height - 1, Math.max(0, y + dy)) * width;
    for (let x = 0; x < width; x++) {
      const column = Math.min(width - 1, Math.max(0, (flipped ? width - 1 - x : x) + dx));
      for (let c = 0; c < channels; c++) target[(y * width + x) * channels + c] = image[(row + column) * channels + c];
    }
  }
}

/** Cierra la época y la cuenta. Devuelve si hay otra. */
function finishEpoch(run) {
  const { engine, data } = lab;
  const validation = data.validation?.labels.length
    ? engine.evaluate(data.validation.images, data.validation.labels)
    : null;
  run.epoch += 1;
  postMessage({
    type: "epoch",
    epoch: run.epoch,
    epochs: run.epochs,
    ...progress(run),
    validationLoss: validation?.loss ?? null,
    validationAccuracy: validation?.accuracy ?? null,
    milliseconds: performance.now() - run.started,
    filters: engine.filters(),
  });
  Object.assign(run, { position: 0, seen: 0, loss: 0, correct: 0 });
  if (run.epoch < run.epochs) return true;
  lab.run = null;
  postMessage({ type: "done", epochs: run.epochs, milliseconds: performance.now() - run.started });
  return false;
}
