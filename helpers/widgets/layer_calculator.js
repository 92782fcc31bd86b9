// Calculadora de capas: apilar y editar capas y ver al momento formas, parámetros, trabajo, campo receptivo y memoria.

import {
  button,
  formatBytes,
  formatInteger,
  formatNumber,
  formatPercent,
  h,
  numberField,
  row,
  selectField,
  setText,
  sliderField,
  uniqueId,
} from "./base.js";

// --- Qué capas hay y qué valores admiten (los mismos que `layer_calculator.py`) --------------------------------

const SIDES = [1, 512];
const KERNELS = [1, 3, 5, 7];
const ACTIVATIONS = { linear: "lineal", relu: "ReLU", sigmoid: "sigmoide", tanh: "tanh", softmax: "softmax" };
const PADDINGS = { valid: "valid", same: "same" };
const RATES = Array.from({ length: 19 }, (_, index) => (5 * index) / 100);
const MAXIMUM_LAYERS = 40;

const integer = (label, low, high) => ({ label, low, high });
const choice = (label, options) => ({ label, options });
const KERNEL_OPTIONS = Object.fromEntries(KERNELS.map((side) => [side, `${side}×${side}`]));

const KINDS = {
  Conv2D: {
    colour: "conv",
    defaults: { filters: 32, kernel_size: 3, strides: 1, padding: "valid", activation: "relu" },
    fields: {
      filters: integer("Filtros", 1, 1024),
      kernel_size: choice("Núcleo", KERNEL_OPTIONS),
      strides: integer("Paso", 1, 8),
      padding: choice("Relleno", PADDINGS),
      activation: choice("Activación", ACTIVATIONS),
    },
  },
  MaxPooling2D: {
    colour: "pool",
    defaults: { pool_size: 2, strides: 2 },
    fields: { pool_size: integer("Lado de la ventana", 1, 8), strides: integer("Paso", 1, 8) },
  },
  GlobalAveragePooling2D: { colour: "pool", defaults: {}, fields: {} },
  Flatten: { colour: "plain", defaults: {}, fields: {} },
  Dense: {
    colour: "dense",
    defaults: { units: 128, activation: "relu" },
    fields: { units: integer("Unidades", 1, 4096), activation: choice("Activación", ACTIVATIONS) },
  },
  Dropout: { colour: "plain", defaults: { rate: 0.5 }, fields: { rate: { label: "Fracción que apaga", rates: RATES } } },
  BatchNormalization: { colour: "plain", defaults: {}, fields: {} },
};

const conv = (filters, padding = "valid") => ({ type: "Conv2D", filters, kernel_size: 3, strides: 1, padding, activation: "relu" });
const pool = () => ({ type: "MaxPooling2D", pool_size: 2, strides: 2 });
const dense = (units, activation) => ({ type: "Dense", units, activation });
const network = (padding, end, extra = []) => ({
  input: [32, 32, 3],
  layers: [conv(32, padding), pool(), conv(64, padding), pool(), { type: end }, dense(128, "relu"), ...extra, dense(10, "softmax")],
});

const PRESETS = {
  "La red de la tarea": network("valid", "Flatten"),
  "Con relleno same": network("same", "Flatten"),
  "Promediando en vez de aplanar": network("valid", "GlobalAveragePooling2D"),
  "Con dropout 0.5": network("valid", "Flatten", [{ type: "Dropout", rate: 0.5 }]),
};
const OWN = "Tu propia red";

// --- Estado ----------------------------------------------------------------------------------------------------

function cleanValue(field, value, fallback) {
  if (value === undefined) return fallback;
  if (field.rates) return field.rates.find((rate) => Math.abs(rate - value) < 1e-9);
  if (field.options) {
    const key = Object.keys(field.options).find((option) => option === String(value));
    return key === undefined ? undefined : typeof fallback === "number" ? Number(key) : key;
  }
  return Number.isInteger(value) && value >= field.low && value <= field.high ? value : undefined;
}

function cleanLayer(layer) {
  const kind = layer && Object.hasOwn(KINDS, layer.type) ? KINDS[layer.type] : null;
  if (!kind) return null;
  const clean = { type: layer.type };
  for (const [name, field] of Object.entries(kind.fields)) {
    // Como en Keras, el paso de la agrupación es, si no se dice, el de su ventana.
    const fallback = layer.type === "MaxPooling2D" && name === "strides" ? clean.pool_size : kind.defaults[name];
    clean[name] = cleanValue(field, layer[name], fallback);
    if (clean[name] === undefined) return null;
  }
  return clean;
}

/** Estado completo, con las claves en su orden, o null si algo no vale. */
export function normalize(state) {
  if (!Array.isArray(state?.input) || !Array.isArray(state.layers)) return null;
  const isSide = (side) => Number.isInteger(side) && side >= SIDES[0] && side <= SIDES[1];
  if (state.input.length !== 3 || !state.input.every(isSide) || state.layers.length > MAXIMUM_LAYERS) return null;
  const layers = state.layers.map(cleanLayer);
  return layers.includes(null) ? null : { input: [...state.input], layers };
}

// --- La cuenta (gemela de `compute` en `layer_calculator.py`) -----------------------------------------------------

const product = (shape) => shape.reduce((total, side) => total * side, 1);
const times = (...sides) => sides.map(formatInteger).join("×");
const windows = (size, side, stride) => Math.floor((size - side) / stride) + 1;

function needsMaps(type, shape) {
  if (shape.length === 3) return null;
  return (
    `${type} necesita mapas (alto×ancho×canales) y le llega una fila de ${formatInteger(shape[0])} números. ` +
    "Súbela por encima de la capa que los pone en fila."
  );
}

function leftover(size, side, stride, count) {
  return size - ((count - 1) * stride + side);
}

function leftoverNote([height, width], side, stride, [rows, columns]) {
  const lost = [leftover(height, side, stride, rows), leftover(width, side, stride, columns)];
  if (lost[0] <= 0 && lost[1] <= 0) return "";
  return `Sobran ${lost[0]} filas y ${lost[1]} columnas: la última ventana no llega hasta ellas.`;
}

function computeConv(layer, shape) {
  const [height, width, depth] = shape;
  const { filters, kernel_size: side, strides } = layer;
  const valid = layer.padding === "valid";
  if (valid && (height < side || width < side)) {
    return {
      error:
        `El núcleo de ${times(side, side)} no cabe en mapas de ${times(height, width)}. ` +
        "Usa un núcleo menor, el relleno same o una agrupación menos.",
    };
  }
  const count = (size) => (valid ? windows(size, side, strides) : Math.ceil(size / strides));
  const places = [count(height), count(width)];
  const weights = side * side * depth;
  const params = (weights + 1) * filters;
  return {
    shape: [...places, filters],
    params,
    trainable: params,
    arithmetic: `(${times(side, side, depth)}+1)×${filters} = ${formatInteger(params)}`,
    macs: product(places) * weights * filters,
    work: `${times(...places)} posiciones × ${filters} filtros × ${formatInteger(weights)}`,
    window: [side, strides],
    note: valid ? leftoverNote(shape, side, strides, places) : "",
  };
}

function computePool(layer, shape) {
  const [height, width, depth] = shape;
  const { pool_size: side, strides } = layer;
  if (height < side || width < side) {
    return {
      error:
        `La ventana de ${times(side, side)} no cabe en mapas de ${times(height, width)}. ` +
        "Usa una ventana menor o una agrupación menos.",
    };
  }
  const places = [windows(height, side, strides), windows(width, side, strides)];
  return { shape: [...places, depth], window: [side, strides], note: leftoverNote(shape, side, strides, places) };
}

function computeDense(layer, shape) {
  const inputs = shape.at(-1);
  const params = (inputs + 1) * layer.units;
  const places = product(shape.slice(0, -1));
  return {
    shape: [...shape.slice(0, -1), layer.units],
    params,
    trainable: params,
    arithmetic: `(${formatInteger(inputs)}+1)×${layer.units} = ${formatInteger(params)}`,
    macs: places * inputs * layer.units,
    work: (places > 1 ? `${formatInteger(places)} posiciones × ` : "") + `${layer.units} unidades × ${formatInteger(inputs)}`,
    note: shape.length === 3 ? "Se aplica en cada posición de los mapas: casi siempre falta un Flatten antes." : "",
  };
}

function computeNormalization(layer, shape) {
  const channels = shape.at(-1);
  return {
    shape,
    params: 4 * channels,
    trainable: 2 * channels,
    arithmetic: `4×${channels} = ${formatInteger(4 * channels)} (${formatInteger(2 * channels)} se entrenan)`,
  };
}

const COMPUTE = {
  Conv2D: computeConv,
  MaxPooling2D: computePool,
  GlobalAveragePooling2D: (layer, shape) => ({ shape: [shape[2]] }),
  Flatten: (layer, shape) => ({ shape: [product(shape)] }),
  Dense: computeDense,
  Dropout: (layer, shape) => ({ shape }),
  BatchNormalization: computeNormalization,
};
const ON_MAPS = new Set(["Conv2D", "MaxPooling2D", "GlobalAveragePooling2D"]);
const BYTES = 4; // float32

/**
 * La cuenta entera, sin tocar la página: { rows, totals, failed }.
 *
 * Cada fila lleva shape, params, trainable, macs, field (lado del campo receptivo, o null si ya no hay posiciones),
 * weightBytes, activationBytes, arithmetic, work, note y error. `failed` es el índice de la primera capa imposible, o
 * null; las que la siguen llevan `shape: null`.
 */
export function compute({ input, layers }) {
  let shape = input;
  let [field, jump] = [1, 1];
  let failed = null;
  const rows = layers.map((layer, index) => {
    const empty = { shape: null, params: 0, trainable: 0, macs: 0, field: null, arithmetic: "", work: "", note: "", error: "" };
    if (failed !== null) return { ...empty, weightBytes: 0, activationBytes: 0 };
    const error = ON_MAPS.has(layer.type) ? needsMaps(layer.type, shape) : null;
    const { window = [1, 1], ...found } = error ? { error } : COMPUTE[layer.type](layer, shape);
    const result = { ...empty, ...found };
    if (result.error) {
      failed = index;
      return { ...result, weightBytes: 0, activationBytes: 0 };
    }
    shape = result.shape;
    field += (window[0] - 1) * jump;
    jump *= window[1];
    result.field = shape.length === 3 ? field : null;
    result.weightBytes = BYTES * result.params;
    result.activationBytes = BYTES * product(shape);
    return result;
  });
  const sum = (name) => rows.reduce((total, current) => total + current[name], 0);
  const totals = {
    params: sum("params"),
    trainable: sum("trainable"),
    macs: sum("macs"),
    weightBytes: sum("weightBytes"),
    activationBytes: sum("activationBytes"),
    field: rows.reduce((largest, current) => Math.max(largest, current.field ?? 1), 1),
    shape,
  };
  return { rows, totals, failed };
}

/** El mismo modelo escrito en Keras. Si es imposible, las capas desde la que falla van comentadas. */
export function kerasCode(state) {
  const { failed, totals } = compute(state);
  const text = (value) => `"${value}"`;
  const call = (layer) => {
    const options = [];
    if (layer.type === "Conv2D") {
      options.push(layer.filters, `(${layer.kernel_size}, ${layer.kernel_size})`);
      if (layer.strides > 1) options.push(`strides=${layer.strides}`);
      if (layer.padding !== "valid") options.push(`padding=${text(layer.padding)}`);
    }
    if (layer.type === "MaxPooling2D") {
      options.push(`(${layer.pool_size}, ${layer.pool_size})`);
      if (layer.strides !== layer.pool_size) options.push(`strides=${layer.strides}`);
    }
    if (layer.type === "Dense") options.push(layer.units);
    if (layer.type === "Dropout") options.push(layer.rate);
    if (layer.activation && layer.activation !== "linear") options.push(`activation=${text(layer.activation)}`);
    return `model.add(layers.${layer.type}(${options.join(", ")}))`;
  };
  const lines = state.layers.map((layer, index) => (failed !== null && index >= failed ? "# " : "") + call(layer));
  if (failed !== null) lines.splice(failed, 0, `# Desde aquí no se puede construir: falla la capa ${failed + 1}.`);
  return [
    "import keras",
    "from keras import layers",
    "",
    "model = keras.Sequential()",
    `model.add(keras.Input(shape=(${state.input.join(", ")})))  # alto, ancho, canales`,
    ...lines,
    // Keras no cuenta los parámetros de un modelo que solo tiene entrada.
    ...(failed === 0 || !lines.length ? [] : [`print(model.count_params())  # ${totals.params}`]),
  ].join("\n");
}

/** Frase que se anuncia: los totales, o qué capa falla y por qué. */
export function describe(state) {
  const { rows, totals, failed } = compute(state);
  if (failed !== null) return `La red no se puede construir. Capa ${failed + 1}, ${state.layers[failed].type}: ${rows[failed].error}`;
  return (
    `${state.layers.length} ${state.layers.length === 1 ? "capa" : "capas"}, ${formatInteger(totals.params)} parámetros, ` +
    `${formatInteger(totals.macs)} multiplicaciones, salida ${times(...totals.shape)}.`
  );
}

// --- La dirección: 32.32.3~C32.3.1.v.r~P2.2~F~D10.x -------------------------------------------------------------------

const CODES = { Conv2D: "C", MaxPooling2D: "P", GlobalAveragePooling2D: "G", Flatten: "F", Dense: "D", Dropout: "O", BatchNormalization: "B" };
const LETTERS = { valid: "v", same: "s", linear: "l", relu: "r", sigmoid: "g", tanh: "t", softmax: "x" };
const invert = (table) => Object.fromEntries(Object.entries(table).map(([key, value]) => [value, key]));

export function toAddress({ input, layers }) {
  const write = (name, value) => (name === "rate" ? Math.round(100 * value) : (LETTERS[value] ?? value));
  const codes = layers.map(({ type, ...values }) => CODES[type] + Object.entries(values).map(([name, value]) => write(name, value)).join("."));
  return [input.join("."), ...codes].join("~");
}

export function fromAddress(address) {
  const [input, ...codes] = address.split("~");
  const types = invert(CODES);
  const names = invert(LETTERS);
  const read = (name, text) => {
    if (name === "rate") return Number(text) / 100;
    return names[text] ?? Number(text);
  };
  const layers = codes.map((code) => {
    const type = types[code[0]];
    if (!type) return null;
    const values = code.length > 1 ? code.slice(1).split(".") : [];
    const fields = Object.keys(KINDS[type].fields);
    if (values.length !== fields.length) return null;
    return Object.fromEntries([["type", type], ...fields.map((name, index) => [name, read(name, values[index])])]);
  });
  return { input: input.split(".").map(Number), layers };
}

// --- La interfaz -------------------------------------------------------------------------------------------------

function summary(layer) {
  const extras = [];
  if (layer.type === "Conv2D") {
    extras.push(`${layer.filters} de ${times(layer.kernel_size, layer.kernel_size)}`);
    if (layer.strides > 1) extras.push(`paso ${layer.strides}`);
    if (layer.padding === "same") extras.push("same");
  }
  if (layer.type === "MaxPooling2D") {
    extras.push(times(layer.pool_size, layer.pool_size));
    if (layer.strides !== layer.pool_size) extras.push(`paso ${layer.strides}`);
  }
  if (layer.type === "Dense") extras.push(String(layer.units));
  if (layer.type === "Dropout") extras.push(formatPercent(layer.rate));
  if (layer.activation && layer.activation !== "linear") extras.push(ACTIVATIONS[layer.activation]);
  return extras.join(" · ");
}

/** Nombre de una capa que, si no cabe, se parte entre sus palabras: Max-Pooling2D. */
function breakable(type) {
  return type.split(/(?<=[a-z])(?=[A-Z])/).flatMap((word) => [word, h("wbr")]);
}

function makeField(name, field, value, onInput) {
  if (field.rates) return sliderField({ label: field.label, value, values: field.rates, format: (rate) => formatNumber(rate, 2), onInput });
  if (!field.options) return numberField({ label: field.label, value, min: field.low, max: field.high, onInput });
  const options = Object.entries(field.options).map(([key, text]) => [typeof value === "number" ? Number(key) : key, text]);
  return selectField({ label: field.label, value, options, onInput });
}

/** Celda con un número y una barra que dice qué parte del total es. */
function shareCell(className) {
  const number = h("span", {});
  const bar = h("span", { class: "lc-bar", "aria-hidden": "true" });
  const cell = h("td", { class: className }, number, bar);
  return {
    cell,
    set(value, total) {
      setText(number, value === null ? "—" : formatInteger(value));
      bar.style.width = `${value && total ? Math.max(2, (100 * value) / total) : 0}%`;
    },
  };
}

function mount(context) {
  let open = 0; // qué capa está abierta para editarla; null si ninguna
  let rows = [];

  const change = (mutate, message) => {
    const next = structuredClone(context.state);
    mutate(next);
    context.update(next, message);
  };

  // Arriba: de qué red se parte y cómo es la imagen.
  const presetNames = Object.keys(PRESETS);
  const preset = selectField({
    label: "Partir de",
    value: presetNames[0],
    options: [...presetNames, OWN].map((name) => [name, name]),
    onInput: (name) => {
      if (name === OWN) return render(context.state);
      open = null;
      context.update(structuredClone(PRESETS[name]), `${name}.`);
    },
  });
  const sides = ["Alto (píxeles)", "Ancho (píxeles)", "Canales"].map((label, index) =>
    numberField({
      label,
      value: context.state.input[index],
      min: SIDES[0],
      max: SIDES[1],
      onInput: (value) => change((next) => (next.input[index] = value)),
    }),
  );
  const setup = h("div", { class: "c-fields lc-setup" }, preset.element, ...sides.map((side) => side.element));

  // La tabla de capas.
  const tableBody = h("tbody", {});
  const heading = (text, className = "") => h("th", { scope: "col", class: className }, text);
  const table = h(
    "table",
    { class: "lc-table" },
    h("caption", { class: "c-hidden" }, "Capas de la red, de la entrada a la salida"),
    h("colgroup", {}, ...["name", "shape", "number", "none", "none", "none"].map((kind) => h("col", { class: `lc-col-${kind}` }))),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        heading("Capa"),
        heading("Salida"),
        heading("Parámetros"),
        heading("Multiplicaciones", "lc-wide"),
        heading("Campo receptivo", "lc-wide lc-short"),
        heading("Memoria", "lc-wide lc-short"),
      ),
    ),
    tableBody,
  );

  function makeRow(index, type) {
    const kind = KINDS[type];
    const editorId = uniqueId("capa");
    const detail = h("span", { class: "lc-detail" });
    const toggle = h(
      "button",
      {
        type: "button",
        class: "lc-toggle",
        "aria-expanded": "false",
        click: () => {
          open = open === index ? null : index;
          render(context.state);
        },
      },
      h("span", { class: "lc-name" }, `${index + 1}. `, ...breakable(type)),
      detail,
    );
    const error = h("p", { class: "c-error" });
    const errorRow = h("tr", { class: "lc-error-row", hidden: true }, h("td", { colspan: 6 }, h("div", { class: "lc-inside" }, error)));
    const shape = h("td", {});
    const params = shareCell("");
    const macs = shareCell("lc-wide");
    const field = h("td", { class: "lc-wide" });
    const memory = h("td", { class: "lc-wide" });
    const main = h(
      "tr",
      { class: `lc-row lc-${kind.colour}` },
      h("th", { scope: "row" }, toggle),
      shape,
      params.cell,
      macs.cell,
      field,
      memory,
    );
    const editorBox = h("div", { class: "lc-inside" });
    const editor = h(
      "tr",
      { class: `lc-editor lc-${kind.colour}`, id: editorId, hidden: true },
      h("td", { colspan: 6 }, editorBox),
    );
    toggle.setAttribute("aria-controls", editorId);
    let inside = null; // los campos se hacen la primera vez que se abre la capa

    function makeEditor(layer) {
      const fields = Object.entries(kind.fields).map(([name, options]) => [
        name,
        makeField(name, options, layer[name], (value) =>
          change((next) => {
            const edited = next.layers[index];
            // El paso acompaña a la ventana mientras sean iguales, como en Keras.
            if (name === "pool_size" && edited.strides === edited.pool_size) edited.strides = value;
            edited[name] = value;
          }),
        ),
      ]);
      const facts = h("dl", { class: "lc-facts" });
      const note = h("p", { class: "lc-note", hidden: true });
      const up = button({ text: "↑ Subir", name: `Subir la capa ${index + 1}, ${type}`, onClick: () => move(index, -1) });
      const down = button({ text: "↓ Bajar", name: `Bajar la capa ${index + 1}, ${type}`, onClick: () => move(index, 1) });
      const drop = button({ text: "Quitar", name: `Quitar la capa ${index + 1}, ${type}`, onClick: () => remove(index) });
      const grid = fields.length ? h("div", { class: "c-fields" }, ...fields.map(([, made]) => made.element)) : null;
      editorBox.append(...[grid, facts, note, row(up, down, drop)].filter(Boolean));
      return { fields, facts, note, up, down };
    }

    return {
      type,
      elements: [main, errorRow, editor],
      toggle,
      focus(what) {
        (inside?.[what] ?? toggle).focus();
      },
      set(layer, result, totals, count) {
        const skipped = result.shape === null && !result.error;
        main.classList.toggle("lc-skipped", skipped);
        main.classList.toggle("lc-failed", Boolean(result.error));
        setText(detail, summary(layer));
        setText(error, result.error);
        errorRow.hidden = !result.error;
        setText(shape, result.shape ? times(...result.shape) : "—");
        params.set(result.shape ? result.params : null, totals.params);
        macs.set(result.shape ? result.macs : null, totals.macs);
        setText(field, result.field ? times(result.field, result.field) : "—");
        setText(memory, result.shape ? formatBytes(result.weightBytes + result.activationBytes) : "—");
        const isOpen = open === index;
        toggle.setAttribute("aria-expanded", String(isOpen));
        main.classList.toggle("lc-open", isOpen);
        editor.hidden = !isOpen;
        if (!isOpen) return;
        inside ??= makeEditor(layer);
        for (const [name, made] of inside.fields) made.set(layer[name]);
        inside.up.setAttribute("aria-disabled", String(index === 0));
        inside.down.setAttribute("aria-disabled", String(index === count - 1));
        inside.facts.replaceChildren(...factItems(result, totals));
        setText(inside.note, result.note);
        inside.note.hidden = !result.note;
      },
    };
  }

  function factItems(result, totals) {
    if (!result.shape) return [];
    const share = (value, total) => (total ? ` (${formatPercent(value / total, 1)} del total)` : "");
    const facts = [["Parámetros", result.params ? result.arithmetic + share(result.params, totals.params) : "0: no aprende nada"]];
    if (result.macs) facts.push(["Multiplicaciones", `${result.work} = ${formatInteger(result.macs)}${share(result.macs, totals.macs)}`]);
    if (result.field) facts.push(["Campo receptivo", `${times(result.field, result.field)} píxeles`]);
    facts.push(["Memoria", `pesos ${formatBytes(result.weightBytes)} + activaciones ${formatBytes(result.activationBytes)}`]);
    return facts.map(([term, text]) => h("div", {}, h("dt", {}, term), h("dd", {}, text)));
  }

  // Añadir, mover y quitar. El foco sigue a la capa.
  function move(index, step) {
    const target = index + step;
    if (target < 0 || target >= context.state.layers.length) return;
    open = target;
    const { type } = context.state.layers[index];
    change((next) => next.layers.splice(target, 0, ...next.layers.splice(index, 1)), `${type} pasa al puesto ${target + 1}.`);
    rows[target].focus(step < 0 ? "up" : "down");
  }

  function remove(index) {
    const { type } = context.state.layers[index];
    const rest = context.state.layers.length - 1;
    open = rest ? Math.min(index, rest - 1) : null;
    change((next) => next.layers.splice(index, 1), `${type} quitada.`);
    if (rest) rows[open].focus();
    else adders[0].focus();
  }

  function add(type) {
    const { layers } = context.state;
    if (layers.length >= MAXIMUM_LAYERS) return context.announce(`No caben más de ${MAXIMUM_LAYERS} capas.`);
    const place = open === null ? layers.length : open + 1;
    open = place;
    const layer = { type, ...KINDS[type].defaults };
    change((next) => next.layers.splice(place, 0, layer), `${type} añadida en el puesto ${place + 1}.`);
    rows[place].focus();
  }

  const where = h("p", { class: "lc-where" });
  const adders = Object.keys(KINDS).map((type) => {
    const adder = button({ text: "+ ", name: `Añadir ${type}`, onClick: () => add(type) });
    adder.append(...breakable(type));
    adder.classList.add("lc-add", `lc-${KINDS[type].colour}`);
    return adder;
  });

  // Abajo: los totales, siempre a la vista, y el código.
  const totalNames = { params: "Parámetros", macs: "Multiplicaciones", weights: "Pesos", activations: "Activaciones" };
  const totalValues = Object.fromEntries(Object.keys(totalNames).map((name) => [name, h("dd", {})]));
  const totalsList = h(
    "dl",
    {},
    ...Object.entries(totalNames).map(([name, text]) => h("div", {}, h("dt", {}, text), totalValues[name])),
  );
  const verdict = h("p", { class: "lc-verdict" });
  const totalsBar = h("div", { class: "lc-totals" }, totalsList, verdict);
  const explanation = h(
    "p",
    { class: "lc-small" },
    "Multiplicaciones con su suma, por imagen. Memoria en float32 (4 bytes por número): pesos, una vez; activaciones, los " +
      "números que salen de cada capa, por imagen. 1 MB son 1024 × 1024 bytes, como los cuenta Keras.",
  );
  const code = h("code", {});
  const copyButton = button({
    text: "Copiar código",
    onClick: () => context.copy(code.textContent, "Código copiado.", "No se pudo copiar: selecciona el código y cópialo tú."),
  });
  const codeBox = h(
    "div",
    { class: "lc-code" },
    h("div", { class: "c-header" }, h("p", { class: "lc-subtitle" }, "La misma red en Keras"), copyButton),
    h("pre", { tabindex: 0, role: "region", "aria-label": "Código de Keras", "data-lm-suppress-shortcuts": "true" }, code),
  );

  context.body.append(
    setup,
    table,
    h("div", { class: "lc-adders" }, where, row(...adders)),
    totalsBar,
    explanation,
    codeBox,
  );

  function render(state) {
    const { layers, input } = state;
    const result = compute(state);
    if (open !== null && open >= layers.length) open = null;
    if (rows.length !== layers.length || rows.some((current, index) => current.type !== layers[index].type)) {
      rows = layers.map((layer, index) => makeRow(index, layer.type));
      tableBody.replaceChildren(...rows.flatMap((current) => current.elements));
    }
    rows.forEach((current, index) => current.set(layers[index], result.rows[index], result.totals, layers.length));
    sides.forEach((side, index) => side.set(input[index]));
    const text = JSON.stringify(state);
    preset.set(presetNames.find((name) => JSON.stringify(PRESETS[name]) === text) ?? OWN);

    const { totals, failed } = result;
    const possible = failed === null;
    setText(totalValues.params, possible ? formatInteger(totals.params) : "—");
    setText(totalValues.macs, possible ? formatInteger(totals.macs) : "—");
    setText(totalValues.weights, possible ? formatBytes(totals.weightBytes) : "—");
    setText(totalValues.activations, possible ? formatBytes(totals.activationBytes) : "—");
    totalsBar.classList.toggle("lc-impossible", !possible);
    setText(
      verdict,
      possible
        ? `De ${times(...input)} a ${times(...totals.shape)}. Cada posición ve ${times(totals.field, totals.field)} píxeles.` +
            (totals.trainable === totals.params ? "" : ` Se entrenan ${formatInteger(totals.trainable)} parámetros.`)
        : `Esta red no se puede construir: falla la capa ${failed + 1}, ${layers[failed].type}.`,
    );
    setText(where, open === null ? "Añadir al final:" : `Añadir después de la capa ${open + 1}:`);
    setText(code, kerasCode(state));
  }

  return { render };
}

const css = `
.control .lc-setup { grid-template-columns: minmax(0, 2fr) repeat(3, minmax(0, 1fr)); align-items: end; margin-bottom: 0.8rem; }
.control .lc-setup:has(.c-error:not([hidden])) { align-items: start; }
.control .lc-table { display: table; width: 100%; margin: 0; border-collapse: collapse; font-size: 0.95rem; }
.control .lc-table tr:not(.lc-open) { background: none; }
.control .lc-table th, .control .lc-table td { padding: 0.15rem 0.4rem; border: 0; border-bottom: 1px solid var(--c-border);
  text-align: right; vertical-align: middle; background: none; color: inherit; }
.control .lc-table thead th { color: var(--c-muted); font-size: 0.875rem; font-weight: 400; line-height: 1.2; vertical-align: bottom; }
.control .lc-table th:first-child { text-align: left; }
.control .lc-table td { position: relative; white-space: nowrap; }
.control .lc-short { width: 5.2rem; }
.control .lc-row > th { padding: 0; font-weight: 400; border-left: 0.35rem solid var(--lc-colour); }
.control .lc-conv { --lc-colour: var(--c-conv); }
.control .lc-pool { --lc-colour: var(--c-pool); }
.control .lc-dense { --lc-colour: var(--c-dense); }
.control .lc-plain { --lc-colour: var(--c-edge); }
.control .lc-toggle { display: flex; flex-wrap: wrap; column-gap: 0.5rem; align-items: baseline; width: 100%; min-height: 44px;
  align-content: center; padding: 0.2rem 0.5rem; border: 0; background: none; text-align: left; cursor: pointer; }
.control .lc-toggle:hover { background: var(--c-accent-soft); }
.control .lc-toggle:focus-visible { outline-offset: -3px; }
.control .lc-name { font-weight: 600; overflow-wrap: anywhere; }
.control .lc-name::before { content: "▸ "; content: "▸ " / ""; color: var(--c-muted); }
.control .lc-toggle[aria-expanded="true"] .lc-name::before { content: "▾ "; content: "▾ " / ""; }
.control .lc-detail { color: var(--c-muted); font-size: 0.875rem; }
.control .lc-bar { position: absolute; right: 0.4rem; bottom: 4px; height: 4px; max-width: calc(100% - 0.8rem); border-radius: 2px;
  background: var(--lc-colour); }
.control .lc-open { background: var(--c-accent-soft); }
.control .lc-inside { contain: inline-size; }
.control .lc-error-row > td { padding: 0.3rem 0.7rem 0.5rem; border-left: 0.35rem solid var(--c-error); background: var(--c-error-soft);
  text-align: left; white-space: normal; }
.control .lc-failed .lc-name { color: var(--c-error); }
.control .lc-skipped td, .control .lc-skipped .lc-name { color: var(--c-muted); font-style: italic; font-weight: 400; }
.control .lc-skipped > th { border-left-style: dotted; }
.control .lc-editor > td { padding: 0.7rem; border-left: 0.35rem solid var(--lc-colour); background: var(--c-raised);
  text-align: left; white-space: normal; }
.control .lc-facts { padding: 0.6rem 0; font-size: 0.9rem; }
.control .lc-facts > div { display: grid; grid-template-columns: 8.5rem minmax(0, 1fr); gap: 0.5rem; }
.control .lc-facts dt, .control .lc-totals dt { color: var(--c-muted); font-weight: 400; }
.control .lc-note { margin-bottom: 0.6rem; font-size: 0.9rem; }
.control .lc-note::before { content: "Ojo: "; font-weight: 600; }
.control .lc-adders { margin: 0.7rem 0; }
.control .lc-where { margin-bottom: 0.3rem; color: var(--c-muted); font-size: 0.9rem; }
.control .lc-add { border-left: 0.35rem solid var(--lc-colour); font-size: 0.9rem; }
.control .lc-totals { position: sticky; bottom: 0; z-index: 1; margin: 0 calc(-1 * var(--c-padding)); padding: 0.5rem var(--c-padding);
  border-top: 2px solid var(--c-accent); background: var(--c-surface); }
.control .lc-totals dl { display: grid; grid-template-columns: repeat(4, auto); gap: 0 1rem; }
.control .lc-totals dt { font-size: 0.8rem; }
.control .lc-totals dd { font-size: 1.15rem; font-weight: 600; white-space: nowrap; }
.control .lc-verdict { font-size: 0.9rem; }
.control .lc-impossible { border-top-color: var(--c-error); }
.control .lc-impossible dl { display: none; }
.control .lc-impossible .lc-verdict { color: var(--c-error); font-weight: 600; }
.control .lc-small { margin: 0.4rem 0 0.8rem; color: var(--c-muted); font-size: 0.85rem; }
.control .lc-subtitle { font-weight: 600; }
.control .lc-code .c-header { margin-bottom: 0.4rem; }
@container (max-width: 40rem) {
  .control .lc-setup { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .control .lc-setup .c-select { grid-column: 1 / -1; }
  .control .lc-wide { display: none; }
  .control .lc-table { table-layout: fixed; font-size: 0.9rem; }
  .control .lc-col-shape { width: 5.9rem; }
  .control .lc-col-number { width: 5.2rem; }
  /* La fila del editor abarca seis columnas: las tres escondidas no deben quitar sitio. */
  .control .lc-col-none { width: 0; }
  .control .lc-table th, .control .lc-table td { padding-inline: 0.25rem; }
  .control .lc-toggle { padding-inline: 0.3rem; }
  .control .lc-row > td { white-space: normal; overflow-wrap: anywhere; }
  .control .lc-facts > div { grid-template-columns: minmax(0, 1fr); gap: 0; margin-bottom: 0.3rem; }
  .control .lc-adders .c-row { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .control .lc-add { text-align: left; overflow-wrap: anywhere; }
  .control .lc-totals dl { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .control .lc-totals dd { font-size: 1.05rem; line-height: 1.2; }
  .control .lc-totals:not(.lc-impossible) .lc-verdict { display: none; }
}
`;

export default {
  title: "Calculadora de capas",
  css,
  normalize,
  describe,
  toAddress,
  fromAddress,
  mount,
  compute,
  kerasCode,
  presets: PRESETS,
};
