// Convolución paso a paso: una imagen, un núcleo de 3×3 y el mapa que sale, posición a posición, con sus nueve productos.

import { button, checkboxField, formatInteger, h, numberField, onThemeChange, row, selectField, setText, uniqueId } from "./base.js";

const SIDE = 32;
const WINDOW = 3;
const MAXIMUM_WEIGHT = 99;

// Los mismos que `convolution_stepper.py`, que dice de dónde salen los aprendidos.
const KERNELS = {
  "Bordes verticales": [[-1, 0, 1, -1, 0, 1, -1, 0, 1], 1],
  "Bordes horizontales": [[-1, -1, -1, 0, 0, 0, 1, 1, 1], 1],
  "Sobel, bordes verticales": [[-1, 0, 1, -2, 0, 2, -1, 0, 1], 1],
  "Sobel, bordes horizontales": [[-1, -2, -1, 0, 0, 0, 1, 2, 1], 1],
  "Desenfoque": [[1, 1, 1, 1, 1, 1, 1, 1, 1], 9],
  "Enfoque": [[0, -1, 0, -1, 5, -1, 0, -1, 0], 1],
  "Identidad": [[0, 0, 0, 0, 1, 0, 0, 0, 0], 1],
  "Aprendido, filtro 3": [[-0.62, -0.8, -0.77, -0.32, -0.91, -0.43, 0.17, 0.33, 0.51], 1],
  "Aprendido, filtro 17": [[0.26, 0.06, -0.34, 0.17, 0.19, -0.41, 0.17, 0.19, -0.32], 1],
  "Aprendido, filtro 20": [[-0.43, 0.16, 0.04, -0.46, 0.58, -0.09, -0.27, 0.49, 0.07], 1],
};
const OWN = "El tuyo";

// --- La cuenta, con enteros (la misma que `convolution_stepper.py`) --------------------------------------------

/** Los píxeles, del texto del estado; null si no son 32×32. */
let decoded = { text: null, pixels: null }; // casi siempre es la misma imagen
function decodeImage(text) {
  if (decoded.text === text) return decoded.pixels;
  let pixels = null;
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    if (binary.length === SIDE * SIDE) pixels = Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
  } catch {
    pixels = null; // no es base64
  }
  decoded = { text, pixels };
  return pixels;
}

const hundredths = (weight) => Math.floor(100 * weight + 0.5);

function outputSide(padding, stride) {
  return padding === "valid" ? Math.floor((SIDE - WINDOW) / stride) + 1 : Math.ceil(SIDE / stride);
}

/** El píxel de esa posición, o 0 si es del marco. */
function pixelAt(pixels, y, x) {
  return y < 0 || x < 0 || y >= SIDE || x >= SIDE ? 0 : pixels[SIDE * y + x];
}

/** El mapa, en centésimas: sumas, con ReLU y agrupado. El relleno es el de TensorFlow: si sobra un cero, va al final. */
export function compute(state) {
  const { padding, stride, relu, pool, divisor } = state;
  const pixels = decodeImage(state.image);
  const weights = state.kernel.map(hundredths);
  const side = outputSide(padding, stride);
  const missing = padding === "same" ? Math.max((side - 1) * stride + WINDOW - SIDE, 0) : 0;
  const pad = Math.floor(missing / 2);
  const sums = [];
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      let sum = 0;
      for (let place = 0; place < 9; place += 1) {
        sum += weights[place] * pixelAt(pixels, y * stride - pad + Math.floor(place / 3), x * stride - pad + (place % 3));
      }
      sums.push(sum);
    }
  }
  const result = relu ? sums.map((sum) => Math.max(sum, 0)) : sums;
  let pooled = null;
  const half = Math.floor(side / 2);
  if (pool) {
    pooled = [];
    for (let y = 0; y < half; y += 1) {
      for (let x = 0; x < half; x += 1) {
        const at = 2 * y * side + 2 * x;
        pooled.push(Math.max(result[at], result[at + 1], result[at + side], result[at + side + 1]));
      }
    }
  }
  return { side, pad, missing, half, sums, result, pooled, divisor };
}

/** La ventana de la posición elegida, sus nueve productos y las sumas, en centésimas. */
export function step(state, map = compute(state)) {
  const pixels = decodeImage(state.image);
  const top = state.row * state.stride - map.pad;
  const left = state.column * state.stride - map.pad;
  const window = Array.from({ length: 9 }, (_, place) => pixelAt(pixels, top + Math.floor(place / 3), left + (place % 3)));
  const products = window.map((pixel, place) => pixel * hundredths(state.kernel[place]));
  const at = state.row * map.side + state.column;
  return { top, left, window, products, sum: map.sums[at], output: map.result[at] };
}

/** Centésimas entre `divisor`, con dos decimales como mucho; los empates se alejan de cero, igual que en Python. */
export function formatHundredths(number, divisor = 1) {
  const scaled = Math.floor((2 * Math.abs(number) + divisor) / (2 * divisor));
  const fraction = scaled % 100;
  const decimals = fraction ? "." + String(fraction).padStart(2, "0").replace(/0$/, "") : "";
  return (number < 0 && scaled ? "−" : "") + formatInteger(Math.floor(scaled / 100)) + decimals;
}

// --- El estado -------------------------------------------------------------------------------------------------

const isInteger = (value, low, high) => Number.isInteger(value) && value >= low && value <= high;

export function normalize(state) {
  const { image, kernel, divisor, padding, stride, relu, pool, row: y, column: x } = state ?? {};
  if (typeof image !== "string" || !decodeImage(image)) return null;
  if (!Array.isArray(kernel) || kernel.length !== 9) return null;
  if (!kernel.every((weight) => typeof weight === "number" && Math.abs(weight) <= MAXIMUM_WEIGHT)) return null;
  if (!isInteger(divisor, 1, 100) || !isInteger(stride, 1, 2) || !["valid", "same"].includes(padding)) return null;
  if (typeof relu !== "boolean" || typeof pool !== "boolean") return null;
  if (!isInteger(y, 0, SIDE - 1) || !isInteger(x, 0, SIDE - 1)) return null;
  const last = outputSide(padding, stride) - 1;
  const weights = kernel.map((weight) => hundredths(weight) / 100 + 0);
  return { image, kernel: weights, divisor, padding, stride, relu, pool, row: Math.min(y, last), column: Math.min(x, last) };
}

export function describe(state) {
  const map = compute(state);
  const { sum, output } = step(state, map);
  const result = state.relu ? `, con la ReLU ${formatHundredths(output, map.divisor)}` : "";
  const divided = map.divisor > 1 ? `, entre ${map.divisor}, ${formatHundredths(sum, map.divisor)}` : "";
  return `Mapa de ${map.side}×${map.side}. Fila ${state.row + 1}, columna ${state.column + 1}: suma ${formatHundredths(sum)}${divided}${result}.`;
}

// La dirección: opciones~pesos en centésimas~píxeles.
export function toAddress(state) {
  const options = [state.padding[0], state.stride, Number(state.relu), Number(state.pool), state.row, state.column, state.divisor];
  return [options.join("."), state.kernel.map(hundredths).join("."), state.image].join("~");
}

export function fromAddress(text) {
  const [options, weights, image] = text.split("~");
  const [letter, ...numbers] = options.split(".");
  const [stride, relu, pool, y, x, divisor] = numbers.map(Number);
  const padding = { v: "valid", s: "same" }[letter];
  const kernel = weights.split(".").map((weight) => Number(weight) / 100);
  return { image, kernel, divisor, padding, stride, relu: relu === 1, pool: pool === 1, row: y, column: x };
}

// --- La interfaz -----------------------------------------------------------------------------------------------

const PIXEL = 10; // píxeles de lienzo por píxel de imagen
const FRAME = 1; // hueco para el marco de ceros

/** Campo de un peso: admite decimales. Lo que no vale se dice en `complain` y no cambia nada. */
function weightField(place, value, complain, onInput) {
  const label = `Peso de la fila ${Math.floor(place / 3) + 1}, columna ${(place % 3) + 1}`;
  const input = h("input", { type: "number", step: "any", min: -MAXIMUM_WEIGHT, max: MAXIMUM_WEIGHT, "aria-label": label, value });
  let last = value;
  const invalid = (wrong) => {
    if (wrong) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
    complain(wrong ? `Un peso va de −99 a 99. Mientras, ese vale ${formatHundredths(hundredths(last))}.` : "");
  };
  input.addEventListener("input", () => {
    const number = input.value.trim() === "" ? NaN : Number(input.value);
    if (!(Math.abs(number) <= MAXIMUM_WEIGHT)) return invalid(true);
    invalid(false);
    last = hundredths(number) / 100;
    onInput(last);
  });
  input.addEventListener("change", () => {
    if (input.hasAttribute("aria-invalid")) invalid(false);
    input.value = last;
  });
  return {
    input,
    set(next) {
      last = next;
      if (input.matches(":focus") && (input.hasAttribute("aria-invalid") || Number(input.value) === next)) return;
      if (Number(input.value) !== next || input.value === "") input.value = next;
    },
  };
}

function mount(context) {
  const change = (values, message) => context.update({ ...context.state, ...values }, message);

  // Qué se hace: imagen, núcleo, relleno y paso.
  const images = context.data.images ?? [];
  const imageField = selectField({
    label: "Imagen",
    value: null,
    options: [...images.map(([name, text]) => [text, name]), [OWN, "Otra"]],
    onInput: (text) => (text === OWN ? render(context.state) : change({ image: text })),
  });
  const kernelField = selectField({
    label: "Núcleo",
    value: null,
    options: [...Object.keys(KERNELS), OWN].map((name) => [name, name]),
    onInput: (name) => {
      if (name === OWN) return render(context.state);
      const [kernel, divisor] = KERNELS[name];
      change({ kernel: [...kernel], divisor }, `${name}.`);
    },
  });
  const paddingField = selectField({
    label: "Relleno",
    value: context.state.padding,
    options: [["valid", "valid"], ["same", "same"]],
    onInput: (padding) => change({ padding }),
  });
  const strideField = selectField({ label: "Paso", value: context.state.stride, options: [[1, "1"], [2, "2"]], onInput: (stride) => change({ stride }) });
  const reluField = checkboxField({ label: "ReLU", value: context.state.relu, onInput: (relu) => change({ relu }) });
  const poolField = checkboxField({ label: "Agrupación máxima 2×2", value: context.state.pool, onInput: (pool) => change({ pool }) });
  const setup = h(
    "div",
    {},
    h("div", { class: "c-fields cs-setup" }, ...[imageField, kernelField, paddingField, strideField].map((field) => field.element)),
    h("div", { class: "c-row cs-switches" }, reluField.element, poolField.element),
  );

  // Los lienzos. El del mapa se recorre: con el ratón, con el dedo o con las flechas.
  const imageCanvas = h("canvas", { class: "cs-canvas", role: "img", width: PIXEL * (SIDE + 2 * FRAME), height: PIXEL * (SIDE + 2 * FRAME) });
  const mapCanvas = h("canvas", { class: "cs-canvas", "aria-hidden": "true" });
  const poolCanvas = h("canvas", { class: "cs-canvas", role: "img" });
  const hintId = uniqueId("pista");
  const grid = h(
    "div",
    { class: "cs-grid", tabindex: 0, role: "application", "aria-roledescription": "mapa que se recorre", "aria-describedby": hintId },
    mapCanvas,
  );
  grid.dataset.lmSuppressShortcuts = "true"; // JupyterLab se queda con las flechas de lo que no lleve esta marca
  const captions = { image: h("p", { class: "cs-name" }), map: h("p", { class: "cs-name" }), pool: h("p", { class: "cs-name" }) };
  const poolBox = h("div", {}, captions.pool, poolCanvas);
  const pictures = h("div", { class: "cs-pictures" }, h("div", {}, captions.image, imageCanvas), h("div", {}, captions.map, grid), poolBox);

  function moveTo(y, x) {
    const last = outputSide(context.state.padding, context.state.stride) - 1;
    const next = { row: Math.max(0, Math.min(last, y)), column: Math.max(0, Math.min(last, x)) };
    if (next.row !== context.state.row || next.column !== context.state.column) change(next);
  }
  const moveBy = (dy, dx) => moveTo(context.state.row + dy, context.state.column + dx);
  const follow = (event) => {
    const box = mapCanvas.getBoundingClientRect();
    const side = outputSide(context.state.padding, context.state.stride);
    moveTo(Math.floor(((event.clientY - box.top) / box.height) * side), Math.floor(((event.clientX - box.left) / box.width) * side));
  };
  mapCanvas.addEventListener("pointermove", follow);
  mapCanvas.addEventListener("pointerdown", follow);
  const KEYS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -SIDE], End: [0, SIDE], PageUp: [-SIDE, 0], PageDown: [SIDE, 0] };
  grid.addEventListener("keydown", (event) => {
    if (!KEYS[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    moveBy(...KEYS[event.key]);
  });
  const arrows = h(
    "div",
    { class: "c-row cs-arrows" },
    ...[["←", "la izquierda", 0, -1], ["↑", "arriba", -1, 0], ["↓", "abajo", 1, 0], ["→", "la derecha", 0, 1]].map(([text, where, dy, dx]) =>
      button({ text, name: `Mover la ventana hacia ${where}`, onClick: () => moveBy(dy, dx) }),
    ),
  );
  const hint = h("p", { class: "cs-small", id: hintId }, "Recorre el mapa con el ratón, con el dedo o con las flechas.");

  // Los nueve productos.
  const error = h("p", { class: "c-error", role: "status", hidden: true });
  const complain = (text) => {
    error.hidden = !text;
    setText(error, text);
  };
  const cells = Array.from({ length: 9 }, (_, place) => {
    const field = weightField(place, context.state.kernel[place], complain, (weight) =>
      change({ kernel: context.state.kernel.map((old, index) => (index === place ? weight : old)) }),
    );
    const pixel = h("span", { class: "cs-pixel" });
    const product = h("span", { class: "cs-product" });
    return { field, pixel, product, element: h("div", { class: "cs-cell" }, pixel, field.input, product) };
  });
  const divisorField = numberField({ label: "Dividir la suma entre", value: context.state.divisor, min: 1, max: 100, onInput: (divisor) => change({ divisor }) });
  const where = h("p", { class: "cs-name" });
  const sums = h("p", { class: "cs-sum" });
  const result = h("p", { class: "cs-result" });
  const sizes = h("p", { class: "cs-small cs-sizes" });
  context.body.append(
    setup,
    pictures,
    h("div", { class: "cs-step" }, arrows, hint),
    where,
    h("div", { class: "cs-window", role: "group", "aria-label": "Píxel por peso, en las nueve posiciones de la ventana" }, ...cells.map((cell) => cell.element)),
    error,
    sums,
    result,
    divisorField.element,
    sizes,
  );

  // --- Pintar ---

  let last = null;
  let pending = { text: null, map: null };
  function calculate(state) {
    // Mover la ventana no cambia el mapa.
    const text = JSON.stringify({ ...state, row: 0, column: 0 });
    if (pending.text !== text) pending = { text, map: compute(state) };
    return pending.map;
  }

  function outline(painter, x, y, width) {
    painter.strokeStyle = "#000";
    painter.lineWidth = 5;
    painter.strokeRect(x, y, width, width);
    painter.strokeStyle = "#ff9d3c";
    painter.lineWidth = 3;
    painter.strokeRect(x, y, width, width);
  }

  function colours(map, dark) {
    const largest = Math.max(1, ...map.sums.map(Math.abs));
    if (map.sums.every((sum) => sum >= 0)) return (value) => `rgb(${Array(3).fill(Math.round((255 * value) / largest))})`;
    const zero = dark ? [25, 30, 37] : [255, 255, 255];
    const [negative, positive] = dark ? [[255, 110, 90], [100, 180, 255]] : [[178, 24, 43], [33, 102, 172]];
    return (value) => {
      const end = value < 0 ? negative : positive;
      const share = Math.abs(value) / largest;
      return `rgb(${zero.map((from, channel) => Math.round(from + (end[channel] - from) * share))})`;
    };
  }

  function paintMap(canvas, values, side, colour, at, zoom) {
    const size = side * zoom;
    if (canvas.width !== size || canvas.height !== size) canvas.width = canvas.height = size;
    const painter = canvas.getContext("2d");
    for (let index = 0; index < side * side; index += 1) {
      painter.fillStyle = colour(values[index]);
      painter.fillRect((index % side) * zoom, Math.floor(index / side) * zoom, zoom, zoom);
    }
    if (at) outline(painter, at[1] * zoom, at[0] * zoom, zoom);
  }

  function paint() {
    const { state, map, here } = last;
    const surface = getComputedStyle(context.body).getPropertyValue("--c-surface").trim();
    const dark = surface.startsWith("#1");
    const pixels = decodeImage(state.image);
    const painter = imageCanvas.getContext("2d");
    painter.fillStyle = surface;
    painter.fillRect(0, 0, imageCanvas.width, imageCanvas.height);
    if (map.missing) {
      const from = FRAME - map.pad;
      const total = SIDE + map.missing;
      painter.fillStyle = "#000";
      painter.fillRect(from * PIXEL, from * PIXEL, total * PIXEL, total * PIXEL);
      painter.strokeStyle = dark ? "#a9b3bd" : "#57606a";
      painter.setLineDash([6, 4]);
      painter.lineWidth = 2;
      painter.strokeRect(from * PIXEL + 1, from * PIXEL + 1, total * PIXEL - 2, total * PIXEL - 2);
      painter.setLineDash([]);
    }
    for (let index = 0; index < SIDE * SIDE; index += 1) {
      painter.fillStyle = `rgb(${pixels[index]}, ${pixels[index]}, ${pixels[index]})`;
      painter.fillRect(((index % SIDE) + FRAME) * PIXEL, (Math.floor(index / SIDE) + FRAME) * PIXEL, PIXEL, PIXEL);
    }
    outline(painter, (here.left + FRAME) * PIXEL, (here.top + FRAME) * PIXEL, WINDOW * PIXEL);
    const colour = colours(map, dark);
    const zoom = map.side > 20 ? 10 : 20;
    paintMap(mapCanvas, map.result, map.side, colour, [state.row, state.column], zoom);
    if (map.pooled) {
      const at = [Math.floor(state.row / 2), Math.floor(state.column / 2)];
      paintMap(poolCanvas, map.pooled, map.half, colour, Math.max(...at) < map.half ? at : null, 2 * zoom);
    }
  }

  function render(state) {
    const map = calculate(state);
    const here = step(state, map);
    last = { state, map, here };
    const { divisor } = map;
    imageField.set(images.some(([, text]) => text === state.image) ? state.image : OWN);
    const same = JSON.stringify([state.kernel, divisor]);
    kernelField.set(Object.keys(KERNELS).find((name) => JSON.stringify(KERNELS[name]) === same) ?? OWN);
    paddingField.set(state.padding);
    strideField.set(state.stride);
    reluField.set(state.relu);
    poolField.set(state.pool);
    divisorField.set(divisor);
    cells.forEach((cell, place) => {
      cell.field.set(state.kernel[place]);
      setText(cell.pixel, `${here.window[place]} ×`);
      setText(cell.product, `= ${formatHundredths(here.products[place])}`);
    });
    setText(captions.image, `Imagen, ${SIDE}×${SIDE}`);
    setText(captions.map, `Mapa, ${map.side}×${map.side}`);
    setText(captions.pool, `Agrupado, ${map.half}×${map.half}`);
    poolBox.hidden = !map.pooled;
    setText(where, `Fila ${state.row + 1}, columna ${state.column + 1} del mapa: píxel × peso`);
    const terms = here.products.map((product) => (product < 0 ? `(${formatHundredths(product)})` : formatHundredths(product)));
    setText(sums, `${terms.join(" + ")} = ${formatHundredths(here.sum)}`);
    const parts = [`Suma: ${formatHundredths(here.sum)}`];
    if (divisor > 1) parts.push(`entre ${divisor}: ${formatHundredths(here.sum, divisor)}`);
    if (state.relu) parts.push(`con la ReLU: ${formatHundredths(here.output, divisor)}`);
    if (map.pooled) {
      const [y, x] = [Math.floor(state.row / 2), Math.floor(state.column / 2)];
      const left = Math.max(y, x) >= map.half;
      parts.push(left ? "aquí no llega la agrupación" : `máximo de su 2×2: ${formatHundredths(map.pooled[y * map.half + x], divisor)}`);
    }
    setText(result, parts.join(" → "));
    const formula = state.padding === "valid"
      ? `⌊(${SIDE} − ${WINDOW})/${state.stride}⌋ + 1 = ${map.side}`
      : `⌈${SIDE}/${state.stride}⌉ = ${map.side}`;
    setText(sizes, `Lado del mapa con ${state.padding} y paso ${state.stride}: ${formula}.` + (map.pooled ? ` Agrupado: ⌊${map.side}/2⌋ = ${map.half}.` : ""));
    imageCanvas.setAttribute("aria-label", `Imagen de ${SIDE}×${SIDE} con la ventana en la fila ${here.top + 1}, columna ${here.left + 1}`);
    grid.setAttribute("aria-label", `Mapa de ${map.side}×${map.side}, fila ${state.row + 1}, columna ${state.column + 1}: ${formatHundredths(here.output, divisor)}`);
    if (map.pooled) poolCanvas.setAttribute("aria-label", `Mapa agrupado, de ${map.half}×${map.half}`);
    paint();
  }

  const stop = onThemeChange(() => last && paint());
  return { render, destroy: stop };
}

const css = `
.control .cs-setup { grid-template-columns: 3fr 5fr 2fr 2fr; }
.control .cs-switches { margin: 0.5rem 0; column-gap: 1.2rem; }
.control .cs-pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(13rem, 100%), 1fr)); gap: 0.8rem; align-items: start; }
.control .cs-pictures > div { min-width: 0; }
.control .cs-canvas { display: block; width: 100%; max-width: 20rem; height: auto; aspect-ratio: 1; border: 1px solid var(--c-edge);
  image-rendering: pixelated; }
.control .cs-grid { max-width: 20rem; cursor: crosshair; touch-action: pan-y; }
.control .cs-name { font-weight: 600; }
.control .cs-step { display: flex; flex-wrap: wrap; gap: 0.4rem 1rem; align-items: center; margin: 0.6rem 0; }
.control .cs-arrows .c-button { min-width: 44px; min-height: 44px; }
.control .cs-small { color: var(--c-muted); font-size: 0.9rem; }
.control .cs-window { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 0.4rem; max-width: 44rem; margin: 0.4rem 0; }
.control .cs-cell { display: grid; grid-template-columns: 3.2rem minmax(0, 4.5rem) minmax(0, 1fr); gap: 0.3rem; align-items: center;
  padding: 0.3rem; border: 1px solid var(--c-border); border-radius: 0.25rem; background: var(--c-raised); }
.control .cs-pixel { text-align: right; white-space: nowrap; }
.control .cs-product { font-weight: 600; overflow-wrap: anywhere; }
.control .cs-sum { overflow-wrap: anywhere; font-size: 0.95rem; min-height: 1.4em; }
.control .cs-result { margin: 0.2rem 0 0.6rem; font-weight: 600; }
.control .c-body > .c-number { max-width: 12rem; }
.control .cs-sizes { margin-top: 0.5rem; }
@container (max-width: 34rem) {
  .control .cs-setup { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .control .cs-setup > :nth-child(-n + 2) { grid-column: 1 / -1; }
}
@container (max-width: 40rem) {
  .control .cs-cell { grid-template-columns: minmax(0, 1fr); text-align: center; gap: 0.1rem; }
  .control .cs-pixel { text-align: center; }
  .control .cs-canvas, .control .cs-grid { max-width: 17rem; }
}
`;

export default { title: "Convolución paso a paso", css, normalize, describe, toAddress, fromAddress, mount, compute, step, kernels: KERNELS };
