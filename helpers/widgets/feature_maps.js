// Por dentro de la red: los mapas de cada capa para una imagen, la cuenta de cada casilla y la oclusión.
//
// La red y el motor se cargan la primera vez que el lector hace algo. El motor da lo que sale de cada capa; las cuentas se
// rehacen aquí, sumando en el orden en que se enseñan, y tienen que dar el número del motor. `feature_maps.py` hace lo mismo
// con NumPy y una prueba compara los dos.

import {
  arrowKeys,
  button,
  checkboxField,
  checkOne,
  decodeBase64,
  decodeStrip,
  formatInteger,
  formatNumber,
  formatProbability,
  h,
  imageStrip,
  largest,
  networkFailure,
  paintImage,
  RecordedNetwork,
  selectField,
  setText,
  uniqueId,
} from "./base.js";

const SIDE = 32;
const MAPS = "mapas";
const OCCLUSION = "oclusion";
const LAYERS = [
  { name: "conv_1", label: "Convolución 1", shape: [30, 30, 32], field: [3, 1] },
  { name: "pool_1", label: "Agrupación 1", shape: [15, 15, 32], field: [4, 2] },
  { name: "conv_2", label: "Convolución 2", shape: [13, 13, 64], field: [8, 2] },
  { name: "pool_2", label: "Agrupación 2", shape: [6, 6, 64], field: [10, 4] },
  { name: "dense", label: "Capa densa", shape: [1, 1, 128] },
  { name: "output", label: "Salida", shape: [1, 1, 10] },
];
const SEEN = 30; // la capa densa mira 30×30 píxeles: las dos últimas filas y columnas se pierden al agrupar
const DENSE_COLUMNS = 16; // las 128 unidades se enseñan en 8 filas
const SQUARES = [4, 8, 12];
const FILLS = { negro: 0, gris: 128, blanco: 255 };
const POSITIONS = 16;
const BATCH = 32;
const SHOWN = { conv: 4, dense: 6 }; // sumandos que se escriben enteros; los demás se suman aparte

const layerOf = (name) => LAYERS.find((layer) => layer.name === name);
const isDense = (layer) => layer.name === "dense" || layer.name === "output";
const isPool = (layer) => layer.name.startsWith("pool");

// --- El estado -----------------------------------------------------------------------------------------------

const isInteger = (value, low, high) => Number.isInteger(value) && value >= low && value < high;

function normalize(state) {
  const { view, image, layer, map, row, column, size, fill, target, compare, y, x } = state ?? {};
  const { shape } = layerOf(layer) ?? {};
  if (![MAPS, OCCLUSION].includes(view) || !shape || !isInteger(image, 0, 24)) return null;
  if (!isInteger(map, 0, shape[2]) || !isInteger(row, 0, shape[0]) || !isInteger(column, 0, shape[1])) return null;
  if (!SQUARES.includes(size) || !Object.hasOwn(FILLS, fill) || !isInteger(target, -1, 10)) return null;
  if (typeof compare !== "boolean" || !isInteger(y, 0, POSITIONS) || !isInteger(x, 0, POSITIONS)) return null;
  return { view, image, layer, map, row, column, size, fill, target, compare, y, x };
}

function placeOf(state, names = null) {
  const layer = layerOf(state.layer);
  if (layer.name === "output") return `${layer.label}, ${names ? `clase «${names[state.map]}»` : `clase ${state.map + 1}`}`;
  if (layer.name === "dense") return `${layer.label}, unidad ${state.map + 1}`;
  return `${layer.label}, mapa ${state.map + 1}, fila ${state.row + 1}, columna ${state.column + 1}`;
}

function describe(state) {
  if (state.view === MAPS) return `Imagen ${state.image + 1}. ${placeOf(state)}.`;
  return `Imagen ${state.image + 1}. Cuadrado ${state.fill} de ${state.size}×${state.size}, sitio ${state.y + 1}, ${state.x + 1} de ${POSITIONS}.`;
}

function toAddress(state) {
  const parts = [state.image, LAYERS.indexOf(layerOf(state.layer)), state.map, state.row, state.column];
  parts.push(state.size, FILLS[state.fill], state.target, Number(state.compare), state.y, state.x);
  return `${state.view}~${parts.join("~")}`;
}

function fromAddress(text) {
  const [view, ...rest] = text.split("~");
  const [image, layer, map, row, column, size, level, target, compare, y, x] = rest.map(Number);
  const fill = Object.keys(FILLS).find((name) => FILLS[name] === level);
  return normalize({ view, image, layer: LAYERS[layer]?.name, map, row, column, size, fill, target, compare: compare === 1, y, x });
}

// --- Las cuentas ---------------------------------------------------------------------------------------------

/** Un valor (fila, columna, mapa) de lo que sale de una capa: { shape, values }. */
const pick = ({ shape, values }, row, column, map) => values[(row * shape[1] + column) * shape[2] + map];

/** Las `size`×`size` casillas de un mapa desde (row, column). */
function windowOf(volume, row, column, map, size) {
  return Array.from({ length: size * size }, (_, i) => pick(volume, row + Math.floor(i / size), column + (i % size), map));
}

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/** De dónde sale lo que entra en una capa. */
const sourceOf = (name) => ({ conv_1: "input", pool_1: "conv_1", conv_2: "pool_1", pool_2: "conv_2", dense: "pool_2", output: "dense" })[name];

/**
 * La cuenta de una casilla: { parts, sum, bias, total, value }, con los sumandos de mayor a menor en valor absoluto.
 *
 * Cada sumando es { source, inputs, weights, total }: lo que aporta un mapa de entrada, o una casilla si la capa es densa.
 */
function explain(volumes, weights, name, map, row, column) {
  const value = pick(volumes[name], row, column, map);
  const source = volumes[sourceOf(name)];
  if (name.startsWith("pool")) {
    const inputs = windowOf(source, 2 * row, 2 * column, map, 2);
    const most = Math.max(...inputs);
    return { parts: [{ source: [map], inputs, weights: null, total: most }], sum: most, bias: 0, total: most, value };
  }
  const kernel = weights[`${name}/kernel`];
  const bias = weights[`${name}/bias`].values[map];
  const outputs = kernel.shape.at(-1);
  let parts;
  if (name.startsWith("conv")) {
    const channels = source.shape[2];
    parts = Array.from({ length: channels }, (_, channel) => {
      const inputs = windowOf(source, row, column, channel, 3);
      const own = inputs.map((_, i) => kernel.values[(i * channels + channel) * outputs + map]);
      return { source: [channel], inputs, weights: own, total: dot(inputs, own) };
    });
  } else {
    const [, width, maps] = source.shape;
    parts = Array.from(source.values, (input, place) => {
      const weight = kernel.values[place * outputs + map];
      const where = name === "dense" ? [place % maps, Math.floor(place / (width * maps)), Math.floor(place / maps) % width] : [place];
      return { source: where, inputs: [input], weights: [weight], total: input * weight };
    });
  }
  parts.sort((a, b) => Math.abs(b.total) - Math.abs(a.total));
  const sum = parts.reduce((total, part) => total + part.total, 0);
  return { parts, sum, bias, total: sum + bias, value };
}

/** Píxeles de la entrada de los que depende una casilla: [fila, columna, lado]. */
function receptiveBox({ field }, row, column) {
  return field ? [row * field[1], column * field[1], field[0]] : [0, 0, SEEN];
}

/** El cuadrado del sitio (y, x): [fila, columna, alto, ancho], sin lo que se sale de la imagen. */
function squareAt(y, x, size) {
  const [top, left] = [y, x].map((place) => Math.max(0, 2 * place + 1 - size / 2));
  const [bottom, right] = [y, x].map((place) => Math.min(SIDE, 2 * place + 1 + size / 2));
  return [top, left, bottom - top, right - left];
}

/** Una copia de la imagen con un cuadrado tapado. */
function covered(pixels, [top, left, height, width], level) {
  const copy = Uint8Array.from(pixels);
  for (let row = top; row < top + height; row += 1) copy.fill(level, 3 * (row * SIDE + left), 3 * (row * SIDE + left + width));
  return copy;
}

// --- Textos --------------------------------------------------------------------------------------------------

const MESSAGES = {
  unsupported:
    "Este navegador es anterior a WebAssembly con SIMD (2021) y no puede calcular los mapas. Actualízalo. Mientras, las figuras " +
    "del capítulo enseñan lo principal.",
};
const signed = (value) => (value < 0 ? `(${formatNumber(value)})` : formatNumber(value));
const sourcesText = (name, count) =>
  ({
    conv_1: `los ${count} canales`,
    conv_2: `los ${count} mapas de la agrupación 1`,
    dense: `las ${formatInteger(count)} casillas de la agrupación 2`,
    output: `las ${count} unidades de la capa densa`,
  })[name];

// --- La interfaz ---------------------------------------------------------------------------------------------

/**
 * Un lienzo que se recorre con el ratón, con el dedo o con las flechas. `onMove(fila, columna)` recibe la casilla.
 * Devuelve { element, draw({ height, width, colour, cell, label }) }.
 */
function board({ describedby, kind, onMove }) {
  const canvas = h("canvas", { class: "fm-canvas", "aria-hidden": "true" });
  const element = h(
    "div",
    { class: "fm-board", tabindex: 0, role: "application", "aria-roledescription": kind, "aria-describedby": describedby },
    canvas,
  );
  element.dataset.lmSuppressShortcuts = "true"; // JupyterLab se queda con las flechas de lo que no lleve esta marca
  let size = { height: 1, width: 1, cell: [0, 0] };
  const moveTo = (row, column) => {
    const next = [Math.max(0, Math.min(size.height - 1, row)), Math.max(0, Math.min(size.width - 1, column))];
    if (next[0] !== size.cell[0] || next[1] !== size.cell[1]) onMove(...next);
  };
  const moveBy = (dy, dx) => moveTo(size.cell[0] + dy, size.cell[1] + dx);
  const follow = (event) => {
    const box = canvas.getBoundingClientRect();
    moveTo(Math.floor(((event.clientY - box.top) / box.height) * size.height), Math.floor(((event.clientX - box.left) / box.width) * size.width));
  };
  canvas.addEventListener("pointerdown", follow);
  canvas.addEventListener("pointermove", (event) => event.buttons && follow(event));
  const keys = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -SIDE], End: [0, SIDE], PageUp: [-SIDE, 0], PageDown: [SIDE, 0] };
  element.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    moveBy(...keys[event.key]);
  });
  return {
    element,
    moveBy,
    draw({ height, width, colour, cell, label }) {
      size = { height, width, cell };
      const zoom = Math.max(8, Math.round(288 / width));
      canvas.width = width * zoom;
      canvas.height = height * zoom;
      const painter = canvas.getContext("2d");
      for (let row = 0; row < height; row += 1)
        for (let column = 0; column < width; column += 1) {
          painter.fillStyle = colour(row, column);
          painter.fillRect(column * zoom, row * zoom, zoom, zoom);
        }
      outline(painter, cell[1] * zoom, cell[0] * zoom, zoom, zoom);
      element.setAttribute("aria-label", label);
    },
  };
}

function outline(painter, x, y, width, height) {
  for (const [colour, line] of [["#000", 6], ["#ff9d3c", 3]]) {
    painter.strokeStyle = colour;
    painter.lineWidth = line;
    painter.strokeRect(x, y, width, height);
  }
}

/** Cuadrícula con los números de una ventana; `winner` marca el mayor. */
function numberGrid(values, side, label, { winner = -1, decimals = 2 } = {}) {
  return h(
    "table",
    { class: "fm-grid", "aria-label": label },
    h(
      "tbody",
      {},
      ...Array.from({ length: side }, (_, row) =>
        h("tr", {}, ...values.slice(row * side, (row + 1) * side).map((value, column) => h("td", { class: row * side + column === winner ? "fm-winner" : null }, formatNumber(value, decimals)))),
      ),
    ),
  );
}

function mount(context) {
  const { data } = context;
  const strip = decodeStrip(data.strip);
  const names = data.network.classNames;
  const palette = decodeBase64(data.palette);
  const preview = { ...data.preview, levels: decodeBase64(data.preview.levels) };
  const network = new RecordedNetwork(context.loadScript, data.network, { batchSize: BATCH, messages: MESSAGES });
  let asked = false; // nada se descarga hasta que el lector hace algo
  let state = context.state;
  let weights = null;
  let known = { image: -1, volumes: null, high: {} }; // lo que sale de cada capa, de la última imagen calculada
  let occlusion = { key: "", rows: [] }; // probabilidades en cada sitio, según van llegando
  let turn = 0;
  let pendingImage = -1; // la que se está calculando

  const change = (values) => {
    asked = true;
    context.update({ ...context.state, ...values });
  };
  const colourOf = (level) => `rgb(${palette[3 * level]}, ${palette[3 * level + 1]}, ${palette[3 * level + 2]})`;
  const levelOf = (value, high) => Math.max(0, Math.min(255, Math.floor((255 * value) / (high || 1) + 0.5)));

  // Qué se mira.
  const tabs = [[MAPS, "Mapas y cuentas"], [OCCLUSION, "Oclusión"]].map(([view, text]) => ({
    view,
    element: button({ text, kind: "fm-tab", onClick: () => change({ view }) }),
  }));
  const images = imageStrip({ images: strip, strip: data.strip, classNames: names, onPick: (image) => change({ image }) });
  const verdict = h("p", { class: "fm-verdict" });
  const error = h("p", { class: "c-error", role: "alert", hidden: true });
  const complain = (text) => {
    setText(error, text);
    error.hidden = !text;
  };
  const status = h("p", { class: "fm-small fm-status" });
  const loader = button({ text: "Calcular los mapas aquí", kind: "principal", onClick: () => change({}) });
  const start = h("div", { class: "fm-start" }, loader, h("p", { class: "fm-small" }, `Carga la red (${formatInteger(data.network.kilobytes)}\u202fKB) y la ejecuta en tu dispositivo.`));

  // Las capas y sus mapas.
  const layerButtons = LAYERS.map((layer) => {
    const [height, width, maps] = layer.shape;
    const size = isDense(layer) ? `${maps} ${layer.name === "output" ? "clases" : "unidades"}` : `${maps} de ${height}×${width}`;
    const element = h(
      "button",
      {
        type: "button",
        class: "c-button fm-layer",
        click: () => change({ layer: layer.name, ...strongest(layer) }),
      },
      h("span", {}, layer.label),
      h("span", { class: "fm-small" }, size),
    );
    return { layer, element };
  });
  const layersBox = h("div", { class: "fm-layers", role: "group", "aria-label": "Capa" }, ...layerButtons.map((one) => one.element));
  const mapsBox = h("div", { class: "fm-maps", role: "radiogroup" });
  let thumbs = [];
  arrowKeys(mapsBox, {
    count: LAYERS.reduce((most, { shape }) => Math.max(most, shape[2]), 0),
    current: () => state.map,
    onMove(map) {
      change({ map: Math.min(map, thumbs.length - 1) });
      thumbs[state.map]?.focus();
    },
  });
  const scaleCanvas = h("canvas", { class: "fm-scale-bar", width: 256, height: 1, "aria-hidden": "true" });
  const scaleLow = h("span", {});
  const scaleHigh = h("span", {});
  const scale = h("p", { class: "fm-small fm-scale" }, scaleLow, scaleCanvas, scaleHigh);
  for (let level = 0; level < 256; level += 1) {
    const painter = scaleCanvas.getContext("2d");
    painter.fillStyle = colourOf(level);
    painter.fillRect(level, 0, 1, 1);
  }

  // La imagen y el mapa grande.
  const inputCanvas = h("canvas", { class: "fm-canvas", role: "img", width: 288, height: 288 });
  const inputName = h("p", { class: "fm-name" });
  const boardName = h("p", { class: "fm-name" });
  const secondName = h("p", { class: "fm-name" });
  const hintId = uniqueId("pista");
  const moved = (row, column) => {
    if (state.view === OCCLUSION) change({ y: row, x: column });
    else if (state.layer === "dense") change({ map: row * DENSE_COLUMNS + column });
    else change({ row, column });
  };
  const main = board({ describedby: hintId, kind: "mapa que se recorre", onMove: moved });
  const second = board({ describedby: hintId, kind: "mapa que se recorre", onMove: moved });
  const boardBox = h("div", {}, boardName, main.element);
  const secondBox = h("div", {}, secondName, second.element);
  const pictures = h("div", { class: "fm-pictures" }, h("div", {}, inputName, inputCanvas), boardBox, secondBox);
  const arrows = h(
    "div",
    { class: "c-row" },
    ...[["←", "la izquierda", 0, -1], ["↑", "arriba", -1, 0], ["↓", "abajo", 1, 0], ["→", "la derecha", 0, 1]].map(([text, where, dy, dx]) =>
      button({ text, name: `Mover la casilla hacia ${where}`, onClick: () => main.moveBy(dy, dx) }),
    ),
  );
  const hint = h("p", { class: "fm-small", id: hintId }, "Toca una casilla del mapa, arrastra o usa las flechas.");
  const steps = h("div", { class: "fm-steps" }, arrows, hint);

  // La cuenta.
  const account = h("div", { class: "fm-account" });
  const result = h("p", { class: "fm-result" });

  // La oclusión.
  const sizeField = selectField({ label: "Cuadrado", value: state.size, options: SQUARES.map((size) => [size, `${size}×${size} píxeles`]), onInput: (size) => change({ size }) });
  const fillField = selectField({ label: "Tapado de", value: state.fill, options: Object.keys(FILLS).map((fill) => [fill, fill]), onInput: (fill) => change({ fill }) });
  const targetField = selectField({
    label: "Clase",
    value: state.target,
    options: [[-1, "La que gana"], ...names.map((name, k) => [k, name])],
    onInput: (target) => change({ target }),
  });
  const compareField = checkboxField({ label: "Comparar con la rival", value: state.compare, onInput: (compare) => change({ compare }) });
  const setup = h("div", { class: "c-fields fm-setup" }, ...[sizeField, fillField, targetField, compareField].map((field) => field.element));

  context.body.append(
    h("div", { class: "c-row fm-tabs", role: "group", "aria-label": "Qué se mira" }, ...tabs.map((tab) => tab.element)),
    images.element,
    verdict,
    error,
    layersBox,
    setup,
    mapsBox,
    scale,
    start,
    pictures,
    steps,
    account,
    result,
    status,
  );

  /** Dónde empezar a mirar una capa: la casilla con el número más alto, o la del centro si no se sabe todavía. */
  function strongest({ name, shape: [height, width, maps] }) {
    if (known.image !== state.image) return { map: Math.min(state.map, maps - 1), row: Math.floor(height / 2), column: Math.floor(width / 2) };
    const place = largest(Array.from(known.volumes[name].values));
    return { map: place % maps, row: Math.floor(place / (width * maps)), column: Math.floor(place / maps) % width };
  }

  // --- Calcular ---

  /** Lo que sale de cada capa para la imagen, o null si ya no hace falta o falla. */
  async function activate(image) {
    const mine = (turn += 1);
    setText(status, network.loaded ? "" : `Cargando la red (${formatInteger(data.network.kilobytes)}\u202fKB)…`);
    complain("");
    try {
      const answer = await network.infer(strip[image], true);
      weights ??= await network.weights();
      if (mine !== turn) return;
      const input = { shape: [SIDE, SIDE, 3], values: Float32Array.from(strip[image], (value) => value / 255) };
      const high = Object.fromEntries(LAYERS.map(({ name }) => [name, answer.activations[name].values.reduce((a, b) => Math.max(a, b), 0)]));
      known = { image, volumes: { ...answer.activations, input }, high };
      setText(status, `Calculado ahora, en tu dispositivo, en ${formatNumber(answer.milliseconds, 1)}\u202fms.`);
      render(context.state);
    } catch (problem) {
      if (mine !== turn) return;
      asked = false; // el botón vuelve, y con él otro intento
      setText(status, "");
      complain(networkFailure(problem));
      render(context.state);
    }
  }

  const keyOf = ({ image, size, fill }) => `${image} ${size} ${fill}`;

  /** Tapa cada sitio y pregunta a la red, un lote tras otro: mientras, la página sigue respondiendo. */
  async function slide() {
    const { image, size, fill } = context.state;
    const key = keyOf(context.state);
    occlusion = { key, rows: [] };
    const mine = occlusion;
    try {
      while (mine.rows.length < POSITIONS ** 2) {
        const batch = new Uint8Array(BATCH * SIDE * SIDE * 3);
        for (let i = 0; i < BATCH; i += 1) {
          const place = mine.rows.length + i;
          const box = squareAt(Math.floor(place / POSITIONS), place % POSITIONS, size);
          batch.set(covered(strip[image], box, FILLS[fill]), i * SIDE * SIDE * 3);
        }
        const { probabilities } = await network.infer(batch);
        if (mine !== occlusion) return;
        for (let i = 0; i < BATCH; i += 1) mine.rows.push(probabilities.subarray(i * 10, i * 10 + 10));
        if (context.state.view === OCCLUSION) render(context.state);
      }
    } catch (problem) {
      if (mine !== occlusion) return;
      occlusion = { key: "", rows: [] };
      asked = false;
      complain(networkFailure(problem));
      render(context.state);
    }
  }

  // --- Pintar ---

  function paintInput(pixels, [top, left, height, width], label) {
    const small = h("canvas", { width: SIDE, height: SIDE });
    paintImage(small, pixels);
    const painter = inputCanvas.getContext("2d");
    painter.imageSmoothingEnabled = false;
    painter.drawImage(small, 0, 0, 288, 288);
    outline(painter, left * 9, top * 9, width * 9, height * 9);
    inputCanvas.setAttribute("aria-label", label);
  }

  /** Nivel de color, de 0 a 255, de una casilla de una capa, o null si no se sabe todavía. */
  function levelsOf(layer) {
    if (known.image === state.image) {
      const volume = known.volumes[layer.name];
      return (row, column, map) => levelOf(pick(volume, row, column, map), known.high[layer.name]);
    }
    if (state.image !== preview.image || layer.name !== "conv_1") return null;
    return (row, column, map) => preview.levels[(row * 30 + column) * 32 + map];
  }

  let shownMaps = "";
  function paintMaps(layer, level) {
    const [height, width, maps] = layer.shape;
    mapsBox.hidden = layer.name === "dense" || !level;
    if (mapsBox.hidden) {
      shownMaps = "";
      thumbs = [];
      mapsBox.replaceChildren();
      return;
    }
    const key = `${layer.name} ${state.image} ${known.image === state.image}`;
    if (key !== shownMaps) {
      shownMaps = key;
      const again = mapsBox.contains(document.activeElement);
      mapsBox.setAttribute("aria-label", layer.name === "output" ? "Clases" : `Mapas de ${layer.label.toLowerCase()}`);
      mapsBox.classList.toggle("fm-classes", layer.name === "output");
      thumbs = Array.from({ length: maps }, (_, map) => {
        const click = () => change({ map });
        if (layer.name === "output") {
          const probability = known.volumes.output.values[map];
          return h("button", { type: "button", role: "radio", class: "c-button fm-class", click }, `${names[map]} ${formatProbability(probability)}`);
        }
        const canvas = h("canvas", { width, height, "aria-hidden": "true" });
        const painter = canvas.getContext("2d");
        const picture = painter.createImageData(width, height);
        for (let place = 0; place < width * height; place += 1) {
          const at = 3 * level(Math.floor(place / width), place % width, map);
          picture.data.set([palette[at], palette[at + 1], palette[at + 2], 255], 4 * place);
        }
        painter.putImageData(picture, 0, 0);
        return h("button", { type: "button", role: "radio", class: "c-thumb fm-thumb", "aria-label": `Mapa ${map + 1}`, click }, canvas);
      });
      mapsBox.replaceChildren(...thumbs);
      if (again) thumbs[state.map].focus();
    }
    checkOne(thumbs, state.map);
  }

  function paintBoard(layer, level) {
    const [height, width] = layer.shape;
    boardBox.hidden = layer.name === "output" || !level;
    steps.hidden = boardBox.hidden || known.image !== state.image;
    if (boardBox.hidden) return;
    const ready = known.image === state.image;
    const value = ready ? formatNumber(pick(known.volumes[layer.name], state.row, state.column, state.map)) : "";
    const spoken = `${placeOf(state)}${value ? `: ${value}` : ""}`;
    if (layer.name === "dense") {
      setText(boardName, "Las 128 unidades");
      const cell = [Math.floor(state.map / DENSE_COLUMNS), state.map % DENSE_COLUMNS];
      const colour = (row, column) => colourOf(level(0, 0, row * DENSE_COLUMNS + column));
      main.draw({ height: 8, width: DENSE_COLUMNS, colour, cell, label: spoken });
      return;
    }
    setText(boardName, `Mapa ${state.map + 1}, ${height}×${width}`);
    main.draw({ height, width, colour: (row, column) => colourOf(level(row, column, state.map)), cell: [state.row, state.column], label: spoken });
  }

  const sourceName = (layer, source) => {
    if (layer.name === "conv_1") return `Canal ${["rojo", "verde", "azul"][source[0]]}`;
    if (layer.name === "conv_2") return `Mapa ${source[0] + 1}`;
    if (layer.name === "dense") return `Mapa ${source[0] + 1}, fila ${source[1] + 1}, columna ${source[2] + 1}`;
    return `Unidad ${source[0] + 1}`;
  };

  /** Los sumandos mayores, uno a uno, y los demás juntos. */
  function partsView(layer, { parts, bias }) {
    const shown = parts.slice(0, isDense(layer) ? SHOWN.dense : SHOWN.conv);
    const rest = parts.slice(shown.length);
    const restSum = rest.reduce((sum, part) => sum + part.total, 0);
    const lines = [
      ...shown.map((part) => [sourceName(layer, part.source), part]),
      ...(rest.length ? [[layer.name === "conv_2" ? `Los otros ${rest.length} mapas` : `Las otras ${formatInteger(rest.length)}`, { total: restSum }]] : []),
      ["Sesgo", { total: bias }],
    ];
    const element = h("div", { class: isDense(layer) ? "fm-lines" : "fm-parts" });
    for (const [label, { inputs, weights: own, total }] of lines) {
      if (isDense(layer)) {
        const product = inputs ? `${formatNumber(inputs[0])} × ${signed(own[0])} = ` : "";
        element.append(h("p", { class: "fm-line" }, h("span", {}, label), h("span", {}, product, h("strong", {}, formatNumber(total)))));
        continue;
      }
      const windows = inputs
        ? h("div", { class: "fm-product" }, numberGrid(inputs, 3, "Entrada"), h("span", { "aria-hidden": "true" }, "×"), numberGrid(own, 3, "Pesos"))
        : null;
      element.append(h("div", { class: windows ? "fm-part" : "fm-part fm-plain" }, h("p", { class: "fm-name" }, label), windows, h("p", { class: "fm-total" }, `= ${formatNumber(total)}`)));
    }
    return element;
  }

  function paintAccount(layer) {
    const found = explain(known.volumes, weights, layer.name, state.map, state.row, state.column);
    const place = placeOf(state, names);
    if (isPool(layer)) {
      const [{ inputs }] = found.parts;
      account.replaceChildren(h("p", { class: "fm-small" }, "Las cuatro casillas que entran y la mayor:"), numberGrid(inputs, 2, "Las cuatro casillas", { winner: inputs.indexOf(found.value), decimals: 3 }));
      setText(result, `${place}: el mayor de ${inputs.map((value) => formatNumber(value)).join(", ")} es ${formatNumber(found.value)}.`);
      return;
    }
    const title = {
      conv_1: "Ventana de 3×3 por pesos, en cada canal (el gris se repite en los tres):",
      conv_2: "Ventana de 3×3 por pesos, en los mapas de entrada que más aportan:",
      dense: "Casillas de la agrupación 2 que más aportan:",
      output: "Unidades de la capa densa que más aportan:",
    }[layer.name];
    const children = [h("p", { class: "fm-small" }, title), partsView(layer, found)];
    let text = `${place}: ${formatNumber(found.sum)} de ${sourcesText(layer.name, found.parts.length)} más ${formatNumber(found.bias)} de sesgo son ${formatNumber(found.total)}`;
    if (layer.name === "output") {
      const logits = names.map((_, k) => explain(known.volumes, weights, "output", k, 0, 0).total);
      const rows = logits.map((logit, k) => h("p", { class: k === state.map ? "fm-line fm-chosen" : "fm-line" }, h("span", {}, names[k]), h("span", {}, `${formatNumber(logit)} → ${formatProbability(known.volumes.output.values[k])}`)));
      children.push(h("p", { class: "fm-small" }, "La softmax: cada suma pasa a eˢ y se divide entre las diez."), h("div", { class: "fm-lines" }, ...rows));
      text += `, y la softmax lo convierte en ${formatProbability(found.value)}.`;
    } else text += `; con la ReLU, ${formatNumber(found.value)}.`;
    account.replaceChildren(...children);
    setText(result, text);
  }

  function renderMaps() {
    const layer = layerOf(state.layer);
    const ready = known.image === state.image;
    const level = levelsOf(layer);
    layerButtons.forEach((one) => one.element.setAttribute("aria-pressed", String(one.layer === layer)));
    const [top, left, side] = receptiveBox(layer, state.row, state.column);
    const seen = isDense(layer) ? "la capa mira 30×30 píxeles" : `la casilla mira ${side}×${side} píxeles`;
    setText(inputName, `La imagen: ${seen}`);
    const label = `Imagen ${state.image + 1}: ${seen}, desde la fila ${top + 1} y la columna ${left + 1}`;
    paintInput(strip[state.image], [top, left, side, side], label);
    paintMaps(layer, level);
    paintBoard(layer, level);
    secondBox.hidden = true;
    scale.hidden = !level || layer.name === "output";
    setText(scaleLow, "0");
    setText(scaleHigh, formatNumber(ready ? known.high[layer.name] : preview.high, 2));
    account.hidden = result.hidden = !ready;
    if (ready) paintAccount(layer);
  }

  function renderOcclusion() {
    const ready = known.image === state.image;
    const said = ready ? known.volumes.output.values : data.strip.probabilities[state.image];
    const target = state.target < 0 ? largest(said) : state.target;
    const rival = largest(Array.from(said, (value, k) => (k === target ? -1 : value)));
    const box = squareAt(state.y, state.x, state.size);
    const { rows } = occlusion.key === keyOf(state) ? occlusion : { rows: [] };
    setText(inputName, "La imagen, con su cuadrado");
    paintInput(covered(strip[state.image], box, FILLS[state.fill]), box, `Imagen ${state.image + 1}, tapada desde la fila ${box[0] + 1} y la columna ${box[1] + 1}`);
    const at = state.y * POSITIONS + state.x;
    const here = rows[at];
    const draw = (where, name, k) => {
      setText(name, `Probabilidad de «${names[k]}»`);
      const colour = (row, column) => (rows[row * POSITIONS + column] ? colourOf(levelOf(rows[row * POSITIONS + column][k], 1)) : "#888");
      const value = here ? `: ${formatProbability(here[k])}` : "";
      where.draw({ height: POSITIONS, width: POSITIONS, colour, cell: [state.y, state.x], label: `Probabilidad de «${names[k]}» al tapar, sitio ${state.y + 1}, ${state.x + 1}${value}` });
    };
    boardBox.hidden = steps.hidden = !asked;
    secondBox.hidden = !asked || !state.compare;
    draw(main, boardName, target);
    draw(second, secondName, rival);
    scale.hidden = !asked;
    setText(scaleLow, "0\u202f%");
    setText(scaleHigh, "100\u202f%");
    account.hidden = true;
    result.hidden = !here;
    if (!here) return;
    const best = largest(here);
    setText(
      result,
      `Sin tapar nada, la red da a «${names[target]}» ${formatProbability(said[target])}. Con un cuadrado ${state.fill} de ${state.size}×${state.size} píxeles ` +
        `en el sitio marcado, ${formatProbability(here[target])}${best === target ? "" : `, y dice «${names[best]}»`}.`,
    );
  }

  function render(next) {
    state = next;
    const maps = state.view === MAPS;
    tabs.forEach(({ view, element }) => element.setAttribute("aria-pressed", String(view === state.view)));
    images.set(state.image);
    // Con la red cargada vale lo que calcula aquí: sus pesos van en float16 y una décima puede no ser la guardada.
    const said = known.image === state.image ? known.volumes.output.values : data.strip.probabilities[state.image];
    const best = largest(said);
    const label = data.strip.labels[state.image];
    setText(verdict, `La red dice «${names[best]}» (${formatProbability(said[best])}) ${best === label ? "y acierta" : `y falla: su etiqueta es «${names[label]}»`}.`);
    layersBox.hidden = !maps;
    setup.hidden = maps;
    if (!maps) mapsBox.hidden = true;
    sizeField.set(state.size);
    fillField.set(state.fill);
    targetField.set(state.target);
    compareField.set(state.compare);
    setText(loader, maps ? "Calcular los mapas aquí" : "Tapar y preguntar a la red");
    start.hidden = asked;
    if (maps) renderMaps();
    else renderOcclusion();
    if (!asked) return;
    if (known.image !== state.image) {
      if (pendingImage !== state.image) {
        const { image } = state;
        pendingImage = image;
        activate(image).finally(() => {
          if (pendingImage === image) pendingImage = -1;
        });
      }
      return;
    }
    if (!maps && occlusion.key !== keyOf(state)) slide();
    if (!result.hidden) context.announce(result.textContent);
  }

  return { render, destroy: () => network.close() };
}

const css = `
.control .fm-tabs { margin-bottom: 0.6rem; }
.control :is(.fm-tab, .fm-layer, .fm-class):is([aria-pressed="true"], [aria-checked="true"]) { border-color: var(--c-accent); background: var(--c-accent); color: var(--c-on-accent); }
.control .fm-small { color: var(--c-muted); font-size: 0.9rem; }
.control .fm-layer[aria-pressed="true"] .fm-small { color: inherit; }
.control .fm-verdict { margin: 0.5rem 0; font-weight: 600; }
.control .c-body > .c-error { margin: 0.4rem 0; padding: 0.4rem 0.7rem; border-left: 0.25rem solid var(--c-error); background: var(--c-error-soft); }
.control .fm-layers { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 0.3rem; margin: 0.6rem 0; }
.control .fm-layer { display: grid; padding: 0.25rem 0.3rem; line-height: 1.25; }
.control .fm-maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(44px, 1fr)); gap: 4px; }
.control .fm-maps.fm-classes { grid-template-columns: repeat(auto-fill, minmax(min(10rem, 100%), 1fr)); }
.control .fm-thumb canvas { image-rendering: pixelated; }
.control .fm-class { text-align: left; }
.control .fm-scale { display: flex; gap: 0.5rem; align-items: center; justify-content: flex-end; margin: 0.3rem 0; }
.control .fm-scale-bar { width: 9rem; height: 0.8rem; border: 1px solid var(--c-edge); }
.control .fm-start { display: flex; flex-wrap: wrap; gap: 0.5rem 0.8rem; align-items: center; margin: 0.6rem 0; }
.control .fm-setup { margin: 0.6rem 0; grid-template-columns: repeat(auto-fill, minmax(min(10rem, 100%), 1fr)); align-items: end; }
.control .fm-pictures { display: flex; flex-wrap: wrap; gap: 0.8rem; margin-top: 0.5rem; }
.control .fm-pictures > div { flex: 1 1 13rem; max-width: 18rem; }
.control .fm-name { margin-bottom: 0.2rem; font-size: 0.9rem; font-weight: 600; }
.control .fm-canvas { display: block; width: 100%; height: auto; border: 1px solid var(--c-edge); image-rendering: pixelated; }
.control .fm-board { cursor: crosshair; }
.control .fm-steps { display: flex; flex-wrap: wrap; gap: 0.4rem 0.8rem; align-items: center; margin: 0.5rem 0; }
.control .fm-account { margin-top: 0.6rem; }
.control .fm-parts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); gap: 0.5rem; align-items: start; margin: 0.3rem 0; }
.control .fm-part { padding: 0.4rem 0.5rem; border: 1px solid var(--c-border); border-radius: 0.3rem; background: var(--c-raised); }
.control .fm-product { display: flex; gap: 0.35rem; align-items: center; }
.control .fm-total { margin-top: 0.2rem; font-weight: 600; }
.control .fm-grid { width: auto; margin: 0; border: 0; border-collapse: collapse; background: none; color: inherit; font-size: 0.8rem; }
.control .fm-grid tr { border: 0; background: none; }
.control .fm-grid td { min-width: 2.4rem; padding: 0.1rem 0.2rem; border: 1px solid var(--c-border); background: var(--c-surface); color: inherit; text-align: right; white-space: nowrap; }
.control .fm-grid td.fm-winner { outline: 2px solid var(--c-accent); outline-offset: -2px; font-weight: 700; }
.control .fm-lines { max-width: 34rem; margin: 0.3rem 0; }
.control .fm-line { display: flex; flex-wrap: wrap; gap: 0 1rem; justify-content: space-between; padding: 0.12rem 0.3rem; border-bottom: 1px solid var(--c-border); }
.control .fm-chosen { background: var(--c-accent-soft); font-weight: 700; }
.control .fm-result { margin-top: 0.5rem; padding: 0.4rem 0.7rem; border-left: 0.25rem solid var(--c-accent); background: var(--c-accent-soft); }
.control .fm-status { min-height: 1.4em; margin-top: 0.3rem; }
@container (max-width: 46rem) {
  .control .fm-layers { grid-template-columns: repeat(3, minmax(0, 1fr)); }
}
@container (max-width: 24rem) {
  .control .fm-layers { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
`;

export default { title: "Por dentro de la red", css, normalize, describe, toAddress, fromAddress, mount, explain };
