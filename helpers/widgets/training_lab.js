// El laboratorio: la red del libro aprende en la página, con el motor del libro dentro de un Worker.
//
// El motor y la muestra se cargan la primera vez que el lector pulsa Entrenar. La página solo dibuja: preparar las imágenes,
// entrenar y evaluar pasan en el Worker. Cada configuración cabe en la dirección.

import { button, checkboxField, formatInteger, formatNumber, formatPercent, h, lineChart, numberField, selectField, setText, sliderField } from "./base.js";

const SIDE = 32;
const CHOICES = {
  images: [50, 100, 200, 500, 1000, 2000],
  filters1: [4, 8, 16, 32, 64],
  filters2: [8, 16, 32, 64, 128],
  dense: [16, 32, 64, 128, 256],
  dropout: [0, 0.25, 0.5],
  optimizer: ["adam", "sgd"],
  rate: [0.00001, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 1, 10],
  batch: [8, 16, 32, 64, 128],
  epochs: [1, 2, 3, 4, 6, 8, 12, 20, 30],
  trial: ["normal", "ceros", "etiquetas", "pixeles"],
};
const FLAGS = ["batch_norm", "augmentation"];
const ORDER = ["images", "filters1", "filters2", "dense", "batch_norm", "dropout", "optimizer", "rate", "batch", "epochs", "augmentation", "seed", "trial"];
const DEFAULT = {
  images: 2000, filters1: 32, filters2: 64, dense: 128, batch_norm: false, dropout: 0, optimizer: "adam", rate: 0.001, batch: 32, epochs: 6,
  augmentation: false, seed: 0, trial: "normal",
};
const PHONE = { ...DEFAULT, images: 1000, filters1: 16, filters2: 32 };
const SHIFT = 2; // píxeles
const EXPLODED = 10; // veces la pérdida de quien adivina

const PRESETS = [
  ["La de partida", {}, "Mira cómo las dos curvas bajan juntas al principio y dónde se separan."],
  ["Tasa demasiado alta", { rate: 0.1 }, "Mira la pérdida: se dispara, o se queda en 2.303, la de quien adivina entre diez clases."],
  ["50 imágenes", { images: 50, epochs: 30 }, "Mira el hueco: la red se sabe de memoria las 50 y falla muchas de las que no ha visto."],
  ["Pesos a cero", { trial: "ceros", epochs: 3 }, "Mira los filtros: no se mueven nunca. Con todos los pesos a cero no llega gradiente a ningún kernel."],
  ["Etiquetas barajadas", { trial: "etiquetas", epochs: 12 }, "Mira la validación: no hay nada que aprender, solo memorizar, y acierta más o menos lo que quien adivina."],
  ["Píxeles permutados", { trial: "pixeles" }, "Compara con la de partida: todas las imágenes llevan el mismo desorden. La red aprende, pero acierta algo menos: la convolución pierde la ventaja de mirar vecinos."],
];

// --- El estado ---------------------------------------------------------------------------------------------------

function normalize(state) {
  if (typeof state !== "object" || state === null) return null;
  for (const [name, values] of Object.entries(CHOICES)) if (!values.includes(state[name])) return null;
  for (const name of FLAGS) if (typeof state[name] !== "boolean") return null;
  if (!Number.isInteger(state.seed) || state.seed < 0 || state.seed > 9999) return null;
  return Object.fromEntries(ORDER.map((name) => [name, state[name]]));
}

const formatRate = (rate) => (rate < 0.0001 ? rate.toFixed(5) : String(rate));

function describe(state) {
  return `${formatInteger(state.images)} imágenes, filtros ${state.filters1} y ${state.filters2}, capa densa de ${state.dense}, ${state.optimizer} con tasa ${formatRate(state.rate)}, ${state.epochs} épocas.`;
}

const toAddress = (state) => ORDER.map((name) => Number(state[name]) === state[name] || typeof state[name] === "string" ? state[name] : Number(state[name])).join("_");

function fromAddress(text) {
  const parts = text.split("_");
  if (parts.length !== ORDER.length) return null;
  const value = (name, part) => (FLAGS.includes(name) ? part === "1" : name === "optimizer" || name === "trial" ? part : Number(part));
  return Object.fromEntries(ORDER.map((name, place) => [name, value(name, parts[place])]));
}

// --- La red, como la describe `helpers.engine.describe_cnn` ---------------------------------------------------------

export function describeNetwork(state, numClasses = 10) {
  const glorot = { scale: 1, mode: "fan_avg", distribution: "uniform" };
  const layers = [];
  for (const [place, filters] of [state.filters1, state.filters2].entries()) {
    const block = place + 1;
    layers.push({
      type: "Conv2D", name: `conv_${block}`, filters, kernel_size: [3, 3], padding: "valid",
      activation: state.batch_norm ? "linear" : "relu", use_bias: !state.batch_norm, kernel_initializer: glorot,
    });
    if (state.batch_norm) {
      layers.push({ type: "BatchNormalization", name: `batch_norm_${block}`, momentum: 0.99, epsilon: 0.001, center: true, scale: true });
      layers.push({ type: "Activation", name: `relu_${block}`, activation: "relu" });
    }
    layers.push({ type: "MaxPooling2D", name: `pool_${block}`, pool_size: [2, 2], strides: [2, 2], padding: "valid" });
  }
  const dense = { type: "Dense", use_bias: true, kernel_initializer: glorot };
  layers.push({ type: "Flatten", name: "flatten" }, { ...dense, name: "dense", units: state.dense, activation: "relu" });
  if (state.dropout) layers.push({ type: "Dropout", name: "dropout", rate: state.dropout });
  layers.push({ ...dense, name: "output", units: numClasses, activation: "softmax" });
  return { version: 1, name: "red_del_laboratorio", input_shape: [SIDE, SIDE, 3], layers };
}

/** El experimento en Keras. `own` son las clases de las imágenes del lector, o null con la muestra. */
export function kerasCode(state, own = null) {
  const zeros = state.trial === "ceros" ? ', kernel_initializer="zeros"' : "";
  const lines = ["import keras", "import numpy as np", ""];
  if (own) {
    lines.push(
      "# Cambia la ruta por la de tu carpeta: una subcarpeta por clase.",
      `load = lambda part: keras.utils.image_dataset_from_directory("mis-imagenes", image_size=(${SIDE}, ${SIDE}),`,
      `    crop_to_aspect_ratio=True, batch_size=None, validation_split=0.2, subset=part, seed=${state.seed})`,
      "arrays = lambda part: map(np.array, zip(*load(part).as_numpy_iterator()))",
      '(x_train, y_train), (x_val, y_val) = arrays("training"), arrays("validation")',
      "x_train, x_val = x_train / 255, x_val / 255",
    );
  } else {
    lines.push("from helpers.data import load_dataset, subset, to_float", "", `data = subset(load_dataset("fashion_mnist"), ${state.images}, 500, seed=0)`);
    lines.push("x_train, y_train = to_float(data.x_train), data.y_train", "x_val, y_val = to_float(data.x_val), data.y_val");
  }
  if (state.trial === "etiquetas") lines.push(`y_train = np.random.default_rng(${state.seed}).permutation(y_train)`);
  if (state.trial === "pixeles") {
    lines.push(`order = np.random.default_rng(${state.seed}).permutation(${SIDE * SIDE})  # el mismo desorden en todas`);
    lines.push("scramble = lambda x: x.reshape(len(x), -1, 3)[:, order].reshape(x.shape)", "x_train, x_val = scramble(x_train), scramble(x_val)");
  }
  lines.push("", `keras.utils.set_random_seed(${state.seed})`, "model = keras.Sequential([", `    keras.Input((${SIDE}, ${SIDE}, 3)),`);
  if (state.augmentation)
    lines.push('    keras.layers.RandomFlip("horizontal"),', `    keras.layers.RandomTranslation(${SHIFT} / ${SIDE}, ${SHIFT} / ${SIDE}, fill_mode="nearest"),`);
  for (const filters of [state.filters1, state.filters2]) {
    if (state.batch_norm)
      lines.push(`    keras.layers.Conv2D(${filters}, 3, use_bias=False${zeros}),`, "    keras.layers.BatchNormalization(),", "    keras.layers.ReLU(),");
    else lines.push(`    keras.layers.Conv2D(${filters}, 3, activation="relu"${zeros}),`);
    lines.push("    keras.layers.MaxPooling2D(2),");
  }
  lines.push("    keras.layers.Flatten(),", `    keras.layers.Dense(${state.dense}, activation="relu"${zeros}),`);
  if (state.dropout) lines.push(`    keras.layers.Dropout(${state.dropout}),`);
  lines.push(`    keras.layers.Dense(${own ? own.length : 10}, activation="softmax"${zeros}),`, "])");
  const optimizer = state.optimizer === "adam" ? "Adam" : "SGD";
  lines.push(
    "model.compile(", `    optimizer=keras.optimizers.${optimizer}(${formatRate(state.rate)}),`,
    '    loss="sparse_categorical_crossentropy",', '    metrics=["accuracy"],', ")",
    `model.fit(x_train, y_train, batch_size=${state.batch}, epochs=${state.epochs}, validation_data=(x_val, y_val))`,
  );
  return lines.join("\n") + "\n";
}

/** El historial como CSV, con los nombres de Keras. */
export function historyCsv(history) {
  const rows = history.map((row) => [row.epoch, row.loss, row.accuracy, row.validationLoss, row.validationAccuracy].join(","));
  return ["epoch,loss,accuracy,val_loss,val_accuracy", ...rows].join("\n") + "\n";
}

// --- Lo que pasa dentro del Worker -----------------------------------------------------------------------------------
// Se añade al programa del motor como una orden más; usa lo que hay allí: decodeSample, seededRandom, shuffle y lab.

/* global decodeSample, seededRandom, shuffle, lab, EngineError */
function prepareInWorker({ file, label, own, state }) {
  const random = seededRandom(state.seed + 1);
  let train = null;
  let validation = null;
  let classNames = null;
  const pixels = 32 * 32 * 3;
  const take = ({ images, labels }, chosen) => {
    const out = { images: new Uint8Array(chosen.length * pixels), labels: new Uint8Array(chosen.length) };
    chosen.forEach((from, to) => {
      out.images.set(images.subarray(from * pixels, (from + 1) * pixels), to * pixels);
      out.labels[to] = labels[from];
    });
    return out;
  };
  const byClass = (labels) => {
    const groups = [];
    labels.forEach((y, i) => (groups[y] ??= []).push(i));
    return groups;
  };
  if (own) {
    classNames = own.classNames;
    const groups = byClass(own.labels).map((group) => (shuffle(group, random), group));
    const cut = (group) => Math.max(1, Math.round(group.length / 5)); // una de cada cinco, para validar
    validation = take(own, groups.flatMap((group) => group.slice(0, cut(group))));
    train = take(own, groups.flatMap((group) => group.slice(cut(group))));
  } else {
    const sample = decodeSample(file, label);
    classNames = sample.classNames;
    ({ train, validation } = sample.parts);
    if (state.images < train.labels.length) {
      const share = state.images / classNames.length;
      train = take(train, byClass(train.labels).flatMap((group) => group.slice(0, share)));
    }
  }
  if (state.trial === "etiquetas") shuffle(train.labels, random);
  if (state.trial === "pixeles") {
    const order = Uint16Array.from({ length: 32 * 32 }, (_, i) => i);
    shuffle(order, random);
    for (const { images, labels } of [train, validation])
      for (let n = 0; n < labels.length; n += 1) {
        const before = images.slice(n * pixels, (n + 1) * pixels);
        order.forEach((from, to) => images.set(before.subarray(3 * from, 3 * from + 3), n * pixels + 3 * to));
      }
  }
  lab.data = { train, validation };
  postMessage({ type: "prepared", classNames, train: train.labels.length, validation: validation.labels.length });
}

// --- Las imágenes del lector -----------------------------------------------------------------------------------------

const MAXIMUM_IMAGES = 2000;
const MAXIMUM_BYTES = 20 * 1024 ** 2;
const MAXIMUM_PIXELS = 36e6; // abierta, una imagen ocupa cuatro bytes por píxel

/** Un fallo que se le explica al lector tal cual. */
class ReaderError extends Error {}

/** Clase de un archivo: su carpeta o, si se eligió suelto, el principio de su nombre («gato-01.png» → gato). */
export function classOf(file) {
  const parts = (file.webkitRelativePath || "").split("/").filter(Boolean);
  if (parts.length > 2) return parts.at(-2);
  if (parts.length === 2 || parts.length === 1) return null; // suelto en la carpeta elegida
  return /^([^\d_\-. ]+)/.exec(file.name)?.[1]?.toLowerCase() ?? null;
}

async function readPixels(file, canvas, painter) {
  if (file.size > MAXIMUM_BYTES)
    throw new ReaderError(`ocupa ${formatNumber(file.size / 1024 ** 2, 0)} MB y aquí caben hasta ${MAXIMUM_BYTES / 1024 ** 2}`);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new ReaderError("no es una imagen que este navegador sepa abrir");
  }
  try {
    const pixels = bitmap.width * bitmap.height;
    if (pixels > MAXIMUM_PIXELS) throw new ReaderError(`tiene ${formatNumber(pixels / 1e6, 0)} megapíxeles y aquí caben hasta ${MAXIMUM_PIXELS / 1e6}`);
    const side = Math.min(bitmap.width, bitmap.height);
    painter.fillStyle = "#fff";
    painter.fillRect(0, 0, SIDE, SIDE);
    painter.drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, SIDE, SIDE);
  } finally {
    bitmap.close();
  }
  const { data } = painter.getImageData(0, 0, SIDE, SIDE);
  return Uint8Array.from({ length: 3 * SIDE * SIDE }, (_, i) => data[4 * Math.floor(i / 3) + (i % 3)]);
}

/** Lee las imágenes: { images, labels, classNames, note }. Nombra los archivos que no se pueden abrir. */
async function readImages(files, progress) {
  const list = [...files].filter(({ name }) => !name.startsWith(".") && !/^(thumbs\.db|desktop\.ini)$/i.test(name));
  const known = list.filter(classOf);
  if (!known.length)
    throw new ReaderError("No hay imágenes en carpetas. Elige una carpeta con una subcarpeta por clase, como animales/gato y animales/perro.");
  if (known.length > MAXIMUM_IMAGES)
    throw new ReaderError(`Hay ${formatInteger(known.length)} archivos y aquí caben ${formatInteger(MAXIMUM_IMAGES)}. Elige una carpeta con menos.`);
  const canvas = h("canvas", { width: SIDE, height: SIDE });
  const painter = canvas.getContext("2d", { willReadFrequently: true });
  painter.imageSmoothingQuality = "high";
  const found = [];
  const bad = [];
  for (const [place, file] of known.entries()) {
    if (place % 20 === 0) {
      progress(place, known.length);
      await new Promise((next) => setTimeout(next)); // la página sigue respondiendo
    }
    try {
      found.push([classOf(file), await readPixels(file, canvas, painter)]);
    } catch (problem) {
      bad.push(`«${file.webkitRelativePath || file.name}» ${problem.message}`);
    }
  }
  const counts = new Map();
  for (const [name] of found) counts.set(name, (counts.get(name) ?? 0) + 1);
  const classNames = [...counts.keys()].sort((one, other) => one.localeCompare(other, "es"));
  const firstFive = (all, mark) => all.slice(0, 5).join(mark) + (all.length > 5 ? ` y ${all.length - 5} más` : "");
  const names = (all) => firstFive(all.map((name) => `«${name}»`), ", ");
  const broken = bad.length ? `Sin abrir: ${firstFive(bad, "; ")}.` : "";
  if (classNames.length < 2) throw new ReaderError(`Hacen falta al menos dos clases con imágenes, y hay ${classNames.length}. ${broken}`.trim());
  if (classNames.length > 20) throw new ReaderError(`Hay ${classNames.length} clases y aquí caben 20.`);
  const few = classNames.filter((name) => counts.get(name) < 5);
  if (few.length) throw new ReaderError(`Hacen falta al menos 5 imágenes por clase, y no las tienen: ${names(few)}. ${broken}`.trim());
  const images = new Uint8Array(found.length * 3 * SIDE * SIDE);
  found.forEach(([, pixels], place) => images.set(pixels, place * pixels.length));
  const labels = Uint8Array.from(found, ([name]) => classNames.indexOf(name));
  return { images, labels, classNames, note: broken };
}

// --- El Worker -------------------------------------------------------------------------------------------------------

// Un módulo mínimo con una instrucción SIMD: el navegador que lo valida puede con el motor.
const SIMD = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11]);
const hasSimd = () => typeof WebAssembly === "object" && WebAssembly.validate(SIMD);

const NO_SIMD = "Este navegador es anterior a WebAssembly con SIMD (2021) y no puede entrenar. Actualízalo. Mientras, queda la figura fija.";
const NO_MEMORY = "El navegador se ha quedado sin memoria. Usa menos filtros, menos unidades o un lote menor, o cierra otras pestañas.";

function startWorker(source, receive) {
  const text = `${source}\nhandlers.prepare = ${prepareInWorker.toString()};\n`;
  const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const worker = new Worker(address);
  worker.onmessage = ({ data }) => {
    URL.revokeObjectURL(address);
    receive(data);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    receive({ type: "error", code: "unknown", message: event.message ?? "" });
  };
  return worker;
}

function save(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = h("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

// --- La interfaz -----------------------------------------------------------------------------------------------------

function mount(context) {
  let worker = null;
  let run = null; // { state, own, history, classNames, status: "loading" | "running" | "paused" | "done" | "failed" }
  let own = null; // imágenes del lector
  let first = true;
  const set = (name) => (value) => context.update({ ...context.state, [name]: value });
  const slider = (name, label, format = String) => [name, sliderField({ label, values: CHOICES[name], value: DEFAULT[name], format, onInput: set(name) })];
  const select = (name, label, texts) => [
    name,
    selectField({ label, value: DEFAULT[name], options: CHOICES[name].map((value, place) => [value, texts?.[place] ?? String(value)]), onInput: set(name) }),
  ];
  const fields = new Map([
    slider("images", "Imágenes", formatInteger),
    slider("epochs", "Épocas"),
    slider("rate", "Tasa de aprendizaje", formatRate),
    slider("batch", "Lote"),
    select("filters1", "Filtros, 1.ª convolución"),
    select("filters2", "Filtros, 2.ª convolución"),
    select("dense", "Unidades de la densa"),
    select("dropout", "Dropout"),
    select("optimizer", "Optimizador", ["Adam", "SGD"]),
    select("trial", "Prueba", ["ninguna", "pesos a cero", "etiquetas barajadas", "píxeles permutados"]),
    ["seed", numberField({ label: "Semilla", value: 0, min: 0, max: 9999, onInput: set("seed") })],
    ["batch_norm", checkboxField({ label: "Normalización por lotes", value: false, onInput: set("batch_norm") })],
    ["augmentation", checkboxField({ label: "Aumento de datos", value: false, onInput: set("augmentation") })],
  ]);
  const presetNote = h("p", { class: "tl-small tl-look" });
  const presets = PRESETS.map(([text, values]) => button({ text, kind: "tl-preset", onClick: () => context.update({ ...DEFAULT, seed: context.state.seed, ...values }) }));

  const start = button({ text: "Entrenar", kind: "principal tl-start", onClick: () => (run?.status === "running" ? stop() : run?.status === "paused" ? resume() : train()) });
  const reset = button({ text: "Reiniciar", onClick: () => { clear(); tell("Listo para empezar de nuevo."); } });
  const status = h("p", { class: "tl-status", role: "status", "aria-live": "polite" });
  const error = h("p", { class: "c-error tl-error", role: "alert", hidden: true });
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Parte del entrenamiento ya hecha" });
  const speed = h("p", { class: "tl-small tl-speed" });
  const lossChart = lineChart({ xLabel: "época", yLabel: "pérdida", height: 230 });
  const accuracyChart = lineChart({ xLabel: "época", yLabel: "exactitud", height: 230 });
  const filters = h("canvas", { class: "tl-filters", role: "img", "aria-label": "Filtros de la primera convolución, sin entrenar todavía" });
  const filtersBox = h("div", { hidden: true }, h("p", { class: "tl-small" }, "Filtros de la primera convolución (3×3×3); gris medio es cero"), filters);

  const folderInput = h("input", { type: "file", webkitdirectory: true, multiple: true, class: "c-hidden tl-folder", change: () => useFiles(folderInput) });
  const filesInput = h("input", { type: "file", accept: "image/*", multiple: true, class: "c-hidden tl-files", change: () => useFiles(filesInput) });
  const sampleButton = button({ text: "Volver a la muestra", onClick: () => { own = null; clear(); showOwn(); } });
  const ownNote = h("p", { class: "tl-small" });
  const ownBox = h(
    "details",
    { class: "tl-own" },
    h("summary", {}, "Con tus imágenes"),
    h("p", { class: "tl-small" }, "Una carpeta con una subcarpeta por clase, o imágenes sueltas con la clase al principio del nombre (gato-01.png). Se quedan en tu dispositivo."),
    h("div", { class: "c-row" }, h("label", { class: "c-button tl-file" }, "Abrir carpeta…", folderInput), h("label", { class: "c-button tl-file" }, "Elegir imágenes…", filesInput), sampleButton),
    ownNote,
  );

  const saveCode = button({ text: "Copiar código de Keras", onClick: () => context.copy(kerasCode(run?.state ?? context.state, (run ? run.own : own)?.classNames), "Código copiado.", "No se pudo copiar: selecciónalo abajo y cópialo.") });
  const saveCsv = button({ text: "Guardar historial (CSV)", onClick: () => run?.history.length && save("historial.csv", historyCsv(run.history), "text/csv") });
  const saveWeights = button({ text: "Guardar pesos", onClick: () => run?.history.length && worker?.postMessage({ type: "export", id: 1, name: "laboratorio", classNames: run.classNames }) });
  const code = h("code", {});
  const codeBox = h("details", {}, h("summary", {}, "El mismo experimento en Keras"), h("pre", { tabindex: 0, "aria-label": "Código de Keras" }, code));

  context.body.append(
    h("div", { class: "c-row", role: "group", "aria-label": "Experimentos preparados" }, ...presets),
    presetNote,
    h("div", { class: "c-fields tl-fields" }, ...[...fields.values()].map((field) => field.element)),
    ownBox,
    h("div", { class: "c-row tl-actions" }, start, reset),
    bar, status, speed, error,
    h("div", { class: "tl-charts" }, lossChart.element, accuracyChart.element),
    filtersBox,
    h("div", { class: "c-row tl-actions" }, saveCode, saveCsv, saveWeights),
    codeBox,
  );

  const tell = (text) => setText(status, text);
  const complain = (text) => {
    setText(error, text);
    error.hidden = !text;
  };
  const disable = (element, off) => element.setAttribute("aria-disabled", String(off));

  function showButtons() {
    const state = run?.status;
    setText(start, { loading: "Preparando…", running: "Detener", paused: "Continuar" }[state] ?? "Entrenar");
    disable(start, state === "loading");
    disable(reset, !run);
    const trained = Boolean(run?.history.length);
    disable(saveCsv, !trained);
    disable(saveWeights, !trained || !worker);
  }

  function clear() {
    worker?.terminate();
    worker = null;
    run = null;
    bar.value = 0;
    filtersBox.hidden = true;
    setText(speed, "");
    complain("");
    draw();
    showButtons();
  }

  // --- Entrenar ---

  async function train() {
    if (run?.status === "loading") return;
    clear();
    const mine = (run = { state: context.state, own, history: [], status: "loading", mark: null });
    showButtons();
    tell("Cargando el motor y las imágenes…");
    try {
      const [source, file] = await Promise.all([context.loadScript("motor"), own ? null : context.loadScript("muestra")]);
      if (run !== mine) return;
      worker = startWorker(source, (message) => run === mine && receive(message));
      worker.postMessage({ type: "prepare", file, label: "muestra", own, state: mine.state });
    } catch (problem) {
      if (run === mine) fail(problem.message);
    }
  }

  function fail(message) {
    worker?.terminate();
    worker = null;
    run.status = "failed";
    complain(message);
    tell("Entrenamiento interrumpido.");
    showButtons();
  }

  const handlers = {
    prepared({ classNames, train: count, validation }) {
      Object.assign(run, { classNames, count, validation });
      const { batch, seed, trial } = run.state;
      worker.postMessage({
        type: "build", description: describeNetwork(run.state, classNames.length), batchSize: batch, seed: seed + 1,
        initialization: trial === "ceros" ? "zeros" : "keras",
      });
    },
    ready(message) {
      showFilters(message.filters);
      const { epochs, batch, optimizer, rate, seed, augmentation } = run.state;
      run.status = "running";
      tell(`Entrenando con ${formatInteger(run.count)} imágenes y validando con ${formatInteger(run.validation)}.`);
      showButtons();
      worker.postMessage({
        type: "train", epochs, batchSize: batch, optimizer: { name: optimizer, learning_rate: rate }, seed: seed + 1,
        augmentation: augmentation ? { flip: true, shift: SHIFT } : null,
      });
      if (document.hidden) hidden();
    },
    step({ epoch, seen, total }) {
      bar.value = (epoch - 1 + seen / total) / run.state.epochs;
      measure((epoch - 1) * Math.ceil(total / run.state.batch) + Math.ceil(seen / run.state.batch));
    },
    epoch(message) {
      run.history.push(message);
      bar.value = message.epoch / message.epochs;
      if (run.history.length === 1) setText(speed, `${formatNumber(message.milliseconds / Math.ceil(message.total / run.state.batch), 1)} ms por paso, con la validación`);
      showFilters(message.filters);
      draw();
      tell(epochText(message));
      showButtons();
      const guess = Math.log(run.classNames.length);
      const worst = Math.max(message.loss, message.validationLoss);
      if (!(worst < EXPLODED * guess))
        fail(`La pérdida se ha disparado: ${formatNumber(worst, 1)}, cuando quien adivina tiene ${formatNumber(guess, 3)}. El entrenamiento diverge: baja la tasa de aprendizaje.`);
    },
    done() {
      run.status = "done";
      tell(`Terminado. ${epochText(run.history.at(-1))}`);
      showButtons();
    },
    stopped() {
      run.status = "paused";
      run.mark = null;
      tell(run.why ?? "Detenido. Pulsa Continuar para seguir donde estaba.");
      run.why = null;
      showButtons();
    },
    resumed() {
      run.status = "running";
      tell("Sigue el entrenamiento.");
      showButtons();
    },
    diverged: ({ message }) => fail(message),
    ["export"]: ({ text }) => save("pesos-del-laboratorio.json", text, "application/json"),
    error({ code: kind, message }) {
      fail(kind === "unsupported" ? NO_SIMD : kind === "unknown" && /memory|alloc/i.test(message) ? NO_MEMORY : message || "El motor no arranca. Recarga la página.");
    },
  };
  const receive = (message) => handlers[message.type]?.(message);

  function measure(steps) {
    const now = performance.now();
    if (run.mark && now - run.mark.time > 400 && steps > run.mark.steps) {
      setText(speed, `${formatNumber((now - run.mark.time) / (steps - run.mark.steps), 1)} ms por paso`);
      run.mark = { time: now, steps };
    }
    run.mark ??= { time: now, steps };
  }

  const epochText = ({ epoch, epochs, accuracy, validationAccuracy, validationLoss }) =>
    `Época ${epoch} de ${epochs}: exactitud ${formatNumber(accuracy)}; en validación, ${formatNumber(validationAccuracy)}, con pérdida ${formatNumber(validationLoss)}.`;

  const stop = () => worker?.postMessage({ type: "stop" });
  const resume = () => worker?.postMessage({ type: "continue" });
  function hidden() {
    if (!document.hidden || run?.status !== "running") return;
    run.why = "Se paró porque la página dejó de verse. Pulsa Continuar para seguir donde estaba.";
    stop();
  }
  document.addEventListener("visibilitychange", hidden);

  // --- Imágenes del lector ---

  async function useFiles(input) {
    const files = [...input.files];
    input.value = "";
    if (!files.length) return;
    clear();
    try {
      own = await readImages(files, (done, total) => tell(`Leyendo imágenes: ${formatInteger(done)} de ${formatInteger(total)}.`));
      tell(`Listas ${formatInteger(own.labels.length)} imágenes de ${own.classNames.length} clases: ${own.classNames.join(", ")}. ${own.note}`.trim());
    } catch (problem) {
      own = null;
      tell("");
      complain(problem instanceof ReaderError ? problem.message : `No se pudieron leer las imágenes: ${problem.message}`);
    }
    showOwn();
  }

  function showOwn() {
    sampleButton.hidden = !own;
    fields.get("images").element.hidden = Boolean(own);
    setText(ownNote, own ? `${formatInteger(own.labels.length)} imágenes; una de cada cinco es para validar. ${own.note}` : "Ahora se usa la muestra de Fashion-MNIST.");
    setText(code, kerasCode(context.state, own?.classNames));
  }

  // --- Dibujar ---

  function showFilters(kernel) {
    filtersBox.hidden = !kernel;
    if (!kernel) return;
    const count = kernel.shape[3];
    const columns = Math.min(count, 16);
    const rows = Math.ceil(count / columns);
    filters.width = 4 * columns - 1;
    filters.height = 4 * rows - 1;
    filters.style.aspectRatio = `${filters.width} / ${filters.height}`;
    const painter = filters.getContext("2d");
    const largest = kernel.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
    for (let k = 0; k < count; k += 1)
      for (let cell = 0; cell < 9; cell += 1) {
        const colour = [0, 1, 2].map((channel) => Math.round(127.5 + 127.5 * (kernel.values[(3 * cell + channel) * count + k] / largest)));
        painter.fillStyle = `rgb(${colour})`;
        painter.fillRect(4 * (k % columns) + (cell % 3), 4 * Math.floor(k / columns) + Math.floor(cell / 3), 1, 1);
      }
    const when = run?.history.length ? `tras la época ${run.history.length}` : "antes de entrenar";
    filters.setAttribute("aria-label", `Los ${count} filtros de la primera convolución, ${when}; el mayor peso mide ${formatNumber(largest)}`);
  }

  function draw() {
    const history = run?.history ?? [];
    const x = [1, Math.max(2, run?.state.epochs ?? context.state.epochs)];
    const series = (one, other) => [
      { name: "entrenamiento", kind: "train", points: history.map((row) => [row.epoch, row[one]]) },
      { name: "validación", kind: "validation", points: history.map((row) => [row.epoch, row[other]]) },
    ];
    const last = history.at(-1);
    const top = Math.max(2.5, ...history.flatMap((row) => [row.loss, row.validationLoss]).filter(Number.isFinite));
    lossChart.draw({
      series: series("loss", "validationLoss"), x, y: [0, top],
      label: last ? `Pérdida tras ${last.epoch} épocas: entrenamiento ${formatNumber(last.loss)}, validación ${formatNumber(last.validationLoss)}` : "Pérdida por época: todavía no hay ninguna",
    });
    accuracyChart.draw({
      series: series("accuracy", "validationAccuracy"), x, y: [0, 1],
      label: last ? `Exactitud tras ${last.epoch} épocas: entrenamiento ${formatPercent(last.accuracy)}, validación ${formatPercent(last.validationAccuracy)}` : "Exactitud por época: todavía no hay ninguna",
    });
  }

  function render(state) {
    if (!hasSimd()) {
      complain(NO_SIMD);
      disable(start, true);
      for (const element of context.body.children) element.hidden = element !== error;
      queueMicrotask(() => context.body.closest("[data-control]")?.classList.remove("control-mounted"));
      return;
    }
    const phone = first && matchMedia("(pointer: coarse) and (max-width: 40rem)").matches && JSON.stringify(state) === JSON.stringify(DEFAULT);
    first = false;
    for (const [name, field] of fields) field.set(state[name]);
    const chosen = PRESETS.findIndex(([, values]) => JSON.stringify({ ...DEFAULT, ...values, seed: state.seed }) === JSON.stringify(state));
    presets.forEach((element, place) => element.setAttribute("aria-pressed", String(place === chosen)));
    setText(presetNote, PRESETS[chosen]?.[2] ?? "Tu propia mezcla: cambia una sola cosa cada vez y compara.");
    setText(code, kerasCode(state, own?.classNames));
    if (run && JSON.stringify(run.state) !== JSON.stringify(state)) {
      clear();
      tell("Has cambiado la configuración: Entrenar empieza de nuevo.");
    }
    if (!run) draw();
    showButtons();
    if (phone) queueMicrotask(() => context.update(PHONE, "En el teléfono se empieza con menos filtros y 1000 imágenes."));
  }

  showOwn();
  return {
    render,
    destroy() {
      document.removeEventListener("visibilitychange", hidden);
      worker?.terminate();
    },
  };
}

const css = `
.control .tl-preset[aria-pressed="true"] { border-color: var(--c-accent); background: var(--c-accent-soft); font-weight: 600; }
.control .tl-small { color: var(--c-muted); font-size: 0.9rem; }
.control .tl-look { margin: 0.4rem 0 0.8rem; color: var(--c-text); }
.control .tl-fields { grid-template-columns: repeat(auto-fill, minmax(min(10.5rem, 100%), 1fr)); align-items: end; }
.control summary { min-height: 44px; padding: 0.6rem 0; cursor: pointer; color: var(--c-accent); }
.control .tl-file { display: inline-flex; position: relative; align-items: center; margin: 0; }
.control .tl-file:focus-within { outline: 3px solid var(--c-accent); outline-offset: 2px; }
.control .tl-own .tl-small { margin: 0.3rem 0; }
.control .tl-actions { margin-top: 0.6rem; }
.control .tl-start { min-width: 8rem; font-weight: 600; }
.control progress { width: 100%; height: 0.6rem; margin-top: 0.7rem; accent-color: var(--c-accent); }
.control .tl-status { min-height: 1.4em; font-weight: 600; }
.control .tl-speed { min-height: 1.3em; }
.control .tl-error { margin-top: 0.4rem; padding: 0.4rem 0.7rem; border-left: 0.25rem solid var(--c-error); background: var(--c-error-soft); }
.control .tl-charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(17rem, 100%), 1fr)); gap: 0.8rem; margin-top: 0.6rem; }
.control .tl-filters { display: block; width: min(100%, 32rem); height: auto; margin-top: 0.2rem; image-rendering: pixelated; background: var(--c-surface); }
`;

export default { title: "El laboratorio: entrena la red en esta página", css, normalize, describe, toAddress, fromAddress, mount, describeNetwork, kerasCode, historyCsv };
