// Lo que comparten los controles del libro: ciclo de vida, campos, gráficas, números y dirección de la página.
//
// Cada control es un módulo ES que importa de aquí lo que usa y exporta por omisión su definición:
//
//   export default {
//     title: "Título en la página",
//     css: "…",                    // opcional: reglas propias, dentro de .control
//     normalize(state) {},         // estado limpio y completo, o null si no se entiende
//     describe(state) {},          // una frase con los números: se anuncia a los lectores de pantalla
//     toAddress(state) {},         // opcional: texto corto para la dirección de la página, y su inversa
//     fromAddress(text) {},
//     mount(context) {},           // construye la interfaz y devuelve { render(state), destroy() }
//   };
//
// No hay empaquetador: `base.py` junta los dos archivos y quita los `import` y `export`.

// --- Números para personas -----------------------------------------------------------------------------------

const THIN_SPACE = "\u202f";

/** Entero con espacio fino entre los miles desde cinco cifras: 2304, 18 496. */
export function formatInteger(number) {
  const digits = String(Math.abs(Math.round(number)));
  const grouped = digits.length < 5 ? digits : digits.replace(/\B(?=(\d{3})+$)/g, THIN_SPACE);
  return (number < 0 ? "−" : "") + grouped;
}

/** Número con punto decimal y signo menos de imprenta. */
export function formatNumber(number, decimals = 3) {
  if (Number.isNaN(number)) return "NaN";
  if (!Number.isFinite(number)) return number > 0 ? "∞" : "−∞";
  const [whole, fraction] = Math.abs(number).toFixed(decimals).split(".");
  const text = formatInteger(Number(whole)) + (fraction ? "." + fraction : "");
  return (number < 0 && Number(text.replaceAll(THIN_SPACE, "")) !== 0 ? "−" : "") + text;
}

/** Fracción como porcentaje con espacio fino: 0.2 → 20 %. */
export function formatPercent(fraction, decimals = 0) {
  return formatNumber(100 * fraction, decimals) + THIN_SPACE + "%";
}

/** Bytes en KB, MB o GB de 1024, como los cuenta Keras. Redondea hacia arriba los empates, igual que `base.py`. */
export function formatBytes(bytes) {
  if (bytes < 1024) return formatInteger(bytes) + THIN_SPACE + "B";
  const [unit, size, decimals] = [["GB", 1024 ** 3, 2], ["MB", 1024 ** 2, 2], ["KB", 1024, 1]].find(([, s]) => bytes >= s);
  const scale = 10 ** decimals;
  return formatNumber(Math.floor((bytes * scale) / size + 0.5) / scale, decimals) + THIN_SPACE + unit;
}

// --- Elementos -----------------------------------------------------------------------------------------------

const counter = Symbol.for("controles.identificadores"); // cada control trae su copia de este archivo

/** Identificador que no se repite en la página, aunque haya varios controles. */
export function uniqueId(prefix = "control") {
  globalThis[counter] = (globalThis[counter] ?? 0) + 1;
  return `${prefix}-${globalThis[counter]}`;
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Elemento HTML: h("button", { type: "button", click: hacer }, "Texto"). Los valores función son eventos. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Elemento SVG, con los mismos argumentos que `h`. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/** Escribe un texto solo si cambia: así el lector de pantalla y el navegador no trabajan de más. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// --- Campos --------------------------------------------------------------------------------------------------
// Todos devuelven { element, input, set(value) }; `onInput(value)` solo recibe valores válidos.

function labelled(label, input, kind, ...after) {
  const id = uniqueId("campo");
  input.id = id;
  return h("div", { class: `c-field c-${kind}` }, h("label", { for: id }, label), input, ...after);
}

/** Número entero entre `min` y `max`. Lo que no vale se explica debajo y no llega a `onInput`. */
export function numberField({ label, value, min, max, onInput }) {
  const input = h("input", { type: "number", inputmode: "numeric", min, max, step: 1, value });
  const error = h("p", { class: "c-error", id: uniqueId("error"), hidden: true });
  const element = labelled(label, input, "number", error);
  let last = value;
  const complain = (text) => {
    error.hidden = !text;
    setText(error, text);
    if (text) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
    if (text) input.setAttribute("aria-describedby", error.id);
    else input.removeAttribute("aria-describedby");
  };
  input.addEventListener("input", () => {
    const number = input.value.trim() === "" ? NaN : Number(input.value);
    if (!Number.isInteger(number) || number < min || number > max) {
      complain(`Entero de ${formatInteger(min)} a ${formatInteger(max)}. Mientras, vale ${formatInteger(last)}.`);
      return;
    }
    complain("");
    last = number;
    onInput(number);
  });
  const restore = () => {
    complain("");
    if (Number(input.value) !== last || input.value === "") input.value = last;
  };
  input.addEventListener("change", restore);
  return {
    element,
    input,
    set(next) {
      last = next;
      if (!(input.matches(":focus") && input.hasAttribute("aria-invalid"))) restore();
    },
  };
}

/**
 * Deslizador. Con `values`, recorre esa lista; si no, de `min` a `max` de `step` en `step`.
 * `format(value)` da el texto que se ve al lado y que oye quien usa lector de pantalla.
 */
export function sliderField({ label, value, min = 0, max = 1, step = 1, values, format = String, onInput }) {
  const limits = values ? { min: 0, max: values.length - 1, step: 1 } : { min, max, step };
  const input = h("input", { type: "range", ...limits });
  const output = h("output", {});
  const element = labelled(label, input, "slider", output);
  output.htmlFor = input.id;
  const read = () => (values ? values[Number(input.value)] : Number(input.value));
  const show = (current) => {
    setText(output, format(current));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  const set = (next) => {
    input.value = values ? values.indexOf(next) : next;
    show(next);
  };
  input.addEventListener("input", () => {
    show(read());
    onInput(read());
  });
  set(value);
  return { element, input, set };
}

/** Lista desplegable; `options` es una lista de [valor, texto]. */
export function selectField({ label, value, options, onInput }) {
  const items = options.map(([, text], index) => h("option", { value: index }, text));
  const input = h("select", {}, ...items);
  const set = (next) => {
    input.selectedIndex = options.findIndex(([option]) => option === next);
  };
  input.addEventListener("change", () => onInput(options[input.selectedIndex][0]));
  const element = labelled(label, input, "select");
  set(value);
  return { element, input, set };
}

/** Casilla de sí o no. */
export function checkboxField({ label, value, onInput }) {
  const input = h("input", { type: "checkbox" });
  input.addEventListener("change", () => onInput(input.checked));
  const set = (next) => {
    input.checked = next;
  };
  set(value);
  const element = h("label", { class: "c-field c-checkbox" }, input, h("span", {}, label));
  return { element, input, set };
}

/** Botón. Con `name`, el lector de pantalla oye ese nombre en vez del texto. */
export function button({ text, name, kind = "", onClick }) {
  return h("button", { type: "button", class: `c-button ${kind}`.trim(), "aria-label": name, title: name, click: onClick }, text);
}

/** Fila de botones o de campos que se reparte en tantas columnas como quepan. */
export function row(...children) {
  return h("div", { class: "c-row" }, ...children);
}

// --- Gráficas ------------------------------------------------------------------------------------------------

/** Marcas redondas (1, 2 o 5 por una potencia de diez) que cubren de `low` a `high`. */
export function niceTicks(low, high, count = 5) {
  if (!(high > low)) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const ticks = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index += 1) {
    ticks.push(Number((index * step).toPrecision(12)));
  }
  return ticks;
}

/**
 * Gráfica de líneas en SVG. Se redibuja a su tamaño real, así que la letra mide lo mismo en un teléfono.
 *
 * `draw({ series, x, y, label })`: cada serie es { name, kind, points: [[x, y]…], band: [[x, abajo, arriba]…] }, y
 * `kind` es "train", "validation", "test" o "plain": el libro usa siempre el mismo trazo para cada cosa. `x` e `y` son
 * [mínimo, máximo] y `label` el texto alternativo, con los números.
 */
export function lineChart({ xLabel, yLabel, height = 260, format = (value) => String(value) }) {
  const picture = svg("svg", { role: "img", class: "c-chart", height });
  const legend = h("ul", { class: "c-legend" });
  const element = h("div", { class: "c-chart-box" }, picture, legend);
  let last = null;
  const paint = () => {
    if (!last) return;
    const { series, x, y, label } = last;
    const width = Math.max(240, Math.floor(element.clientWidth || 560));
    const box = { left: 52, right: width - 12, top: 12, bottom: height - 44 };
    const scaleX = (value) => box.left + ((value - x[0]) / (x[1] - x[0] || 1)) * (box.right - box.left);
    const scaleY = (value) => box.bottom - ((value - y[0]) / (y[1] - y[0] || 1)) * (box.bottom - box.top);
    const path = (points) =>
      points
        .filter(([, value]) => Number.isFinite(value))
        .map(([px, py], index) => `${index ? "L" : "M"}${scaleX(px).toFixed(1)} ${scaleY(py).toFixed(1)}`)
        .join("");
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    picture.setAttribute("width", width);
    picture.setAttribute("aria-label", label);
    const parts = [];
    for (const value of niceTicks(...y)) {
      const at = scaleY(value);
      parts.push(svg("line", { class: "c-grid", x1: box.left, x2: box.right, y1: at, y2: at }));
      parts.push(svg("text", { x: box.left - 6, y: at + 4, "text-anchor": "end" }, format(value)));
    }
    for (const value of niceTicks(...x, width < 420 ? 4 : 8)) {
      parts.push(svg("text", { x: scaleX(value), y: box.bottom + 18, "text-anchor": "middle" }, String(value)));
    }
    parts.push(svg("path", { class: "c-axis", d: `M${box.left} ${box.top}V${box.bottom}H${box.right}` }));
    parts.push(svg("text", { x: (box.left + box.right) / 2, y: height - 6, "text-anchor": "middle" }, xLabel));
    const turned = `translate(13 ${(box.top + box.bottom) / 2}) rotate(-90)`;
    parts.push(svg("text", { transform: turned, "text-anchor": "middle" }, yLabel));
    for (const { kind = "plain", band } of series) {
      if (!band?.length) continue;
      const outline = [...band.map(([px, , high]) => [px, high]), ...band.map(([px, low]) => [px, low]).reverse()];
      parts.push(svg("path", { class: `c-band c-${kind}`, d: path(outline) + "Z" }));
    }
    for (const { kind = "plain", points } of series) {
      parts.push(svg("path", { class: `c-line c-${kind}`, d: path(points) }));
    }
    picture.replaceChildren(...parts);
    legend.replaceChildren(
      ...series.map(({ name, kind = "plain" }) =>
        h("li", {}, svg("svg", { width: 34, height: 10, "aria-hidden": "true" }, svg("path", { class: `c-line c-${kind}`, d: "M1 5H33" })), name),
      ),
    );
  };
  if (globalThis.ResizeObserver) new ResizeObserver(paint).observe(element);
  return {
    element,
    draw(next) {
      last = next;
      paint();
    },
  };
}

/** Imagen pequeña dibujada con sus píxeles a la vista: `draw(values, label)`, con 1 o 3 canales de 0 a 255. */
export function pixelCanvas({ width, height, channels = 1, scale = 4 }) {
  const element = h("canvas", { class: "c-pixels", role: "img", width, height });
  element.style.width = `${width * scale}px`;
  const painter = element.getContext("2d");
  return {
    element,
    draw(values, label) {
      const image = painter.createImageData(width, height);
      for (let pixel = 0; pixel < width * height; pixel += 1) {
        for (let channel = 0; channel < 3; channel += 1) {
          image.data[4 * pixel + channel] = values[channels * pixel + (channels === 3 ? channel : 0)];
        }
        image.data[4 * pixel + 3] = 255;
      }
      painter.putImageData(image, 0, 0);
      element.setAttribute("aria-label", label);
    },
  };
}

/** Llama a `callback` cuando el lector pasa de claro a oscuro (un lienzo no obedece a CSS). Devuelve cómo dejarlo. */
export function onThemeChange(callback) {
  const observer = new MutationObserver(callback);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "theme"] });
  observer.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  return () => observer.disconnect();
}

/** Si el lector ha pedido que nada se mueva solo. */
export function prefersReducedMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

// --- Redes registradas ---------------------------------------------------------------------------------------
// Lo que comparten los controles que usan una red de `book/results` sobre las imágenes de la muestra.

/** Un fallo que se le explica al lector tal cual. */
export class ReaderError extends Error {}

/**
 * Una red registrada, en su *Worker*. Se carga la primera vez que se le pregunta; si falla, la siguiente pregunta vuelve a
 * intentarlo. `info.file` es el nombre de su archivo de pesos y `messages` cambia el texto de un fallo según su código.
 */
export class RecordedNetwork {
  constructor(loadScript, info, { batchSize = 1, messages = {} } = {}) {
    this.info = info;
    this.loadScript = loadScript;
    this.batchSize = batchSize;
    this.messages = messages;
    this.opening = null;
    this.waiting = new Map();
    this.asked = 0;
  }

  get loaded() {
    return this.ready === true;
  }

  async open() {
    this.opening ??= this.#open().catch((error) => {
      this.opening = null;
      this.close();
      throw error;
    });
    return this.opening;
  }

  async #open() {
    const [source, file] = await Promise.all([this.loadScript("motor"), this.loadScript(this.info.file)]);
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.worker = new Worker(address);
    await new Promise((done, failed) => {
      this.worker.onerror = (event) => {
        event.preventDefault();
        failed(new Error("el motor no arranca"));
      };
      this.worker.onmessage = ({ data }) => this.#receive(data, done, failed);
      this.worker.postMessage({ type: "build", file, label: this.info.file, batchSize: this.batchSize });
    }).finally(() => URL.revokeObjectURL(address));
    this.ready = true;
  }

  #receive(message, done, failed) {
    if (message.type === "ready") return done();
    const error = message.type === "error" && new ReaderError(this.messages[message.code] ?? message.message);
    if (message.id === undefined) return failed(error);
    const [answer, refuse] = this.waiting.get(message.id) ?? [];
    this.waiting.delete(message.id);
    return error ? refuse?.(error) : answer?.(message);
  }

  async #ask(message) {
    await this.open();
    const id = (this.asked += 1);
    return new Promise((...both) => {
      this.waiting.set(id, both);
      this.worker.postMessage({ ...message, id });
    });
  }

  /** Lo que dice de unas imágenes, { probabilities, activations, milliseconds }; `activations`: true para tener las de cada capa. */
  infer(images, activations = false) {
    return this.#ask({ type: "infer", images, activations });
  }

  /** Sus pesos, por nombre: { "conv_1/kernel": { shape, values }, … }. */
  async weights() {
    const { weights } = await this.#ask({ type: "weights" });
    return Object.fromEntries(weights.map((weight) => [weight.name, weight]));
  }

  close() {
    this.worker?.terminate();
    this.worker = null;
    this.ready = false;
  }
}

/** Qué decirle al lector de un fallo al cargar o usar una red. */
export function networkFailure(problem) {
  if (problem instanceof ReaderError || problem.code) return problem.message;
  return `No se pudo poner en marcha la red: ${problem.message}. Vuelve a intentarlo o recarga la página.`;
}

/** Una probabilidad como porcentaje; nunca dice 0 ni 100, que no lo son. */
export function formatProbability(value) {
  if (value < 0.0005) return `<${formatPercent(0.001, 1)}`;
  if (value > 0.9995) return `>${formatPercent(0.999, 1)}`;
  return formatPercent(value, 1);
}

/** Posición del mayor de unos valores. */
export const largest = (values) => values.reduce((best, value, index) => (value > values[best] ? index : best), 0);

export function decodeBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

const IMAGE_SIDE = 32;

/** Las imágenes de la tira, como las mira la red: RGB, con el borde negro que las lleva de 28 a 32. */
export function decodeStrip({ pixels, labels, stored }) {
  const bytes = decodeBase64(pixels);
  const border = (IMAGE_SIDE - stored) / 2;
  return labels.map((label, image) => {
    const values = new Uint8Array(IMAGE_SIDE * IMAGE_SIDE * 3);
    for (let y = 0; y < stored; y += 1)
      for (let x = 0; x < stored; x += 1) {
        const at = 3 * ((y + border) * IMAGE_SIDE + x + border);
        values.fill(bytes[(image * stored + y) * stored + x], at, at + 3);
      }
    return values;
  });
}

/** Pinta una imagen de 32×32 en RGB en un lienzo de ese tamaño. */
export function paintImage(canvas, values) {
  const painter = canvas.getContext("2d");
  const image = painter.createImageData(IMAGE_SIDE, IMAGE_SIDE);
  for (let i = 0; i < IMAGE_SIDE * IMAGE_SIDE; i += 1) {
    image.data.set(values.subarray(3 * i, 3 * i + 3), 4 * i);
    image.data[4 * i + 3] = 255;
  }
  painter.putImageData(image, 0, 0);
}

/**
 * Tira de imágenes para elegir una, con el ratón o con las flechas; en cada una se ve si la red acierta. `strip` son los datos
 * de la tira e `images`, lo que da `decodeStrip` de ellos. Devuelve { element, right, set(elegida) }; `right[i]`: si acierta la i.
 */
export function imageStrip({ images, strip: { labels, probabilities }, classNames, onPick }) {
  const right = labels.map((label, image) => largest(probabilities[image]) === label);
  const thumbs = images.map((values, image) => {
    const canvas = h("canvas", { width: IMAGE_SIDE, height: IMAGE_SIDE, "aria-hidden": "true" });
    paintImage(canvas, values);
    return h(
      "button",
      {
        type: "button",
        role: "radio",
        class: "c-thumb" + (right[image] ? "" : " c-wrong"),
        "aria-label": `${image + 1}: ${classNames[labels[image]]}; ${right[image] ? "la red acierta" : "la red falla"}`,
        click: () => onPick(image),
      },
      canvas,
      h("span", { class: "c-mark", "aria-hidden": "true" }, right[image] ? "✓" : "✗"),
    );
  });
  const element = h("div", { class: "c-strip", role: "radiogroup", "aria-label": "Imágenes de prueba" }, ...thumbs);
  arrowKeys(element, {
    count: thumbs.length,
    current: () => thumbs.findIndex((thumb) => thumb.getAttribute("aria-checked") === "true"),
    onMove(image) {
      onPick(image);
      thumbs[image].focus();
    },
  });
  return { element, right, set: (picked) => checkOne(thumbs, picked) };
}

/** Deja marcado uno de los botones de un grupo; solo a ese se llega con el tabulador. */
export function checkOne(buttons, picked) {
  buttons.forEach((element, index) => {
    element.setAttribute("aria-checked", String(index === picked));
    element.tabIndex = index === picked ? 0 : -1;
  });
}

/** Las flechas, Inicio y Fin recorren los `count` botones de un grupo y llaman a `onMove(posición)`. */
export function arrowKeys(element, { count, current, onMove }) {
  const steps = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -Infinity, End: Infinity };
  element.addEventListener("keydown", (event) => {
    if (!steps[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    onMove(Math.max(0, Math.min(count - 1, current() + steps[event.key])));
  });
}

// --- La dirección de la página -------------------------------------------------------------------------------
// #LayerCalculator=…&ThresholdExplorer=…  Cada control lee y escribe solo su clave; lo demás se respeta.

const MAXIMUM_ADDRESS = 20_000;

function toBase64(text) {
  const bytes = new TextEncoder().encode(text);
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function fromBase64(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(binary, (letter) => letter.charCodeAt(0)));
}

/** Pares [clave, texto] de la dirección; vacía si lo que hay es el ancla de una sección. */
function addressEntries() {
  const text = location.hash.slice(1);
  if (!text.includes("=") || text.length > MAXIMUM_ADDRESS) return [];
  return text.split("&").map((part) => [part.split("=", 1)[0], part.slice(part.indexOf("=") + 1)]);
}

/** Estado de la clave `key` en la dirección: undefined si no está, null si no se entiende. */
export function readAddress(key, definition) {
  const found = addressEntries().find(([name]) => name === key);
  if (!found) return undefined;
  try {
    const text = decodeURIComponent(found[1]);
    const state = definition.fromAddress ? definition.fromAddress(text) : JSON.parse(fromBase64(text));
    return definition.normalize(state) ?? null;
  } catch {
    return null; // un enlace cortado o escrito a mano
  }
}

/** Dirección de esta página con el estado de `key` dentro; conserva las de los otros controles. */
export function addressWith(key, definition, state) {
  const text = definition.toAddress ? definition.toAddress(state) : toBase64(JSON.stringify(state));
  const others = addressEntries().filter(([name]) => name !== key && /^[A-Z]\w+(-\d+)?$/.test(name));
  const parts = [...others, [key, encodeURIComponent(text)]].map(([name, value]) => `${name}=${value}`);
  const url = new URL(location.href);
  url.hash = parts.join("&");
  return url.href;
}

function copyTheOldWay(text) {
  const area = h("textarea", { class: "c-hidden", readonly: true });
  const focused = document.activeElement;
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}

async function copyText(text) {
  // En un marco ajeno, como los de Colab, la manera moderna está prohibida y solo llenaría la consola.
  if (self !== top || !navigator.clipboard) return copyTheOldWay(text);
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyTheOldWay(text);
  }
}

// --- Ciclo de vida -------------------------------------------------------------------------------------------

/**
 * Mientras algo de `root` está enfocado, las teclas son del control: ni los atajos de Jupyter, que en modo de órdenes se
 * quedan con Intro o borran celdas, ni las flechas del tema del libro, que pasan de página. Las que llevan Ctrl, Alt o Cmd
 * siguen siendo de la página.
 */
function keepKeys(root) {
  // JupyterLab mira las teclas antes que nadie; solo deja las de un elemento enfocado con esta marca, en él mismo.
  root.addEventListener("focusin", ({ target }) => {
    target.dataset.lmSuppressShortcuts = "true";
  });
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.altKey && !event.metaKey) event.stopPropagation();
  });
}

/**
 * Función que carga un archivo del control, la primera vez que se le pide, y da el objeto que deja en `cnnFiles`.
 *
 * `files` dice dónde está cada uno, { source }, o trae su texto, { text }. Siempre con un `<script>`: desde el disco no se
 * puede leer de otra manera.
 */
export function scriptLoader(files) {
  const loading = new Map();
  const insert = (name) =>
    new Promise((done, failed) => {
      const finish = () => {
        const found = globalThis.cnnFiles?.[name];
        if (found === undefined) failed(Object.assign(new Error(`«${name}» está dañado: recarga la página o descarga el libro de nuevo.`), { code: "file" }));
        else done(found);
      };
      if (globalThis.cnnFiles?.[name] !== undefined || !files[name]) return finish();
      const script = document.createElement("script");
      const { source, text } = files[name];
      script.addEventListener("load", finish);
      script.addEventListener("error", () =>
        failed(Object.assign(new Error(`No se pudo cargar «${name}». Comprueba la conexión o que la carpeta del libro está entera.`), { code: "file" })),
      );
      if (source) script.src = source;
      else script.textContent = text;
      document.head.append(script);
      script.remove();
      if (!source) finish();
      return undefined;
    });
  return (name) => {
    if (!loading.has(name)) {
      loading.set(name, insert(name));
      loading.get(name).catch(() => loading.delete(name)); // la próxima vez se intenta de nuevo
    }
    return loading.get(name);
  };
}

const ANNOUNCE_AFTER = 700; // milisegundos sin cambios: mientras se arrastra un deslizador no se lee nada

/**
 * Pone un control dentro de `host`.
 *
 * `model` guarda el estado como texto JSON en la clave "state" (el de anywidget, o `PageModel` en la página); `data` son
 * los datos grandes del control, `files` los archivos que puede pedir con `context.loadScript(nombre)` y `addressKey` su
 * clave en la dirección, o null donde la dirección no es del libro.
 * Devuelve la función que lo quita.
 */
export function mountControl(definition, { model, host, data = {}, files = {}, addressKey = null }) {
  const read = () => {
    const state = definition.normalize(JSON.parse(model.get("state")));
    if (!state) throw new Error("el estado guardado no se entiende");
    return state;
  };
  const initial = read();
  let state = initial;
  let view = null;
  let timer = null;
  let pending = "";

  const titleId = uniqueId();
  const status = h("p", { class: "c-hidden", role: "status", "aria-live": "polite" });
  const notice = h("p", { class: "c-notice", role: "status", hidden: true });
  const body = h("div", { class: "c-body" });
  const tell = (text) => {
    setText(notice, text);
    notice.hidden = !text;
  };
  const announce = (text = "") => {
    pending = text || pending;
    clearTimeout(timer);
    timer = setTimeout(() => {
      setText(status, [pending, definition.describe(state)].filter(Boolean).join(" "));
      pending = "";
    }, ANNOUNCE_AFTER);
  };
  const show = (next) => {
    state = next;
    view.render(state);
  };
  const update = (next, message) => {
    const clean = definition.normalize(next);
    if (!clean) throw new Error(`${definition.title}: ese estado no vale`);
    tell("");
    show(clean);
    announce(message);
    model.set("state", JSON.stringify(clean));
    model.save_changes();
  };
  const copy = async (text, done, failed) => tell((await copyText(text)) ? done : failed);
  const share = () => {
    const address = addressWith(addressKey, definition, state);
    history.replaceState(history.state, "", address);
    copy(address, "Enlace copiado: abre esta página con lo que ves ahora.", "El enlace está en la barra de direcciones: cópialo de ahí.");
  };
  const restoreFromAddress = () => {
    const found = addressKey ? readAddress(addressKey, definition) : undefined;
    if (found === null) tell("El enlace trae unos valores que no se entienden, así que se muestran los de siempre.");
    return found ?? null;
  };

  const tools = h(
    "div",
    { class: "c-tools" },
    button({ text: "Restablecer", onClick: () => update(initial, "Valores del principio.") }),
    addressKey ? button({ text: "Copiar enlace", onClick: share }) : null,
  );
  const root = h(
    "div",
    { class: "control", role: "group", "aria-labelledby": titleId },
    definition.css ? h("style", {}, definition.css) : null,
    h("div", { class: "c-header" }, h("p", { class: "c-title", id: titleId }, definition.title), tools),
    notice,
    body,
    status,
  );
  keepKeys(root);
  view = definition.mount({
    body,
    data,
    loadScript: scriptLoader(files),
    update,
    announce,
    copy,
    get state() {
      return state;
    },
  });
  const shared = restoreFromAddress();
  show(shared ?? state);

  const followModel = () => {
    const next = read();
    if (JSON.stringify(next) !== JSON.stringify(state)) show(next);
  };
  const followAddress = () => {
    const found = restoreFromAddress();
    if (found) update(found, "Valores del enlace.");
  };
  model.on("change:state", followModel);
  if (addressKey) addEventListener("hashchange", followAddress);
  host.append(root);
  if (shared) {
    model.set("state", JSON.stringify(shared));
    root.scrollIntoView({ block: "start" });
  }
  return () => {
    clearTimeout(timer);
    model.off("change:state", followModel);
    removeEventListener("hashchange", followAddress);
    view.destroy?.();
    root.remove();
  };
}

/** La parte de la API de anywidget que usan los controles, para la página, que no tiene kernel. */
export class PageModel {
  #values;
  #listeners = new Map();

  constructor(values) {
    this.#values = { ...values };
  }

  get(name) {
    return this.#values[name];
  }

  set(name, value) {
    if (this.#values[name] === value) return;
    this.#values[name] = value;
    for (const listener of this.#listeners.get("change:" + name) ?? []) listener();
  }

  save_changes() {}

  on(event, listener) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    this.#listeners.get(event).add(listener);
  }

  off(event, listener) {
    this.#listeners.get(event)?.delete(listener);
  }
}

/** Monta los controles guardados en la página. Si uno falla, su figura se queda donde estaba. */
export function mountPage(controls, data = {}, { address = true, files = {} } = {}) {
  const seen = {};
  for (const host of document.querySelectorAll("[data-control][data-state]:not(.control-mounted)")) {
    const name = host.dataset.control;
    if (!controls[name]) continue;
    seen[name] = (seen[name] ?? 0) + 1;
    const addressKey = address ? name + (seen[name] > 1 ? `-${seen[name]}` : "") : null;
    try {
      const model = new PageModel({ state: host.dataset.state });
      mountControl(controls[name], { model, host, data: data[name] ?? {}, files, addressKey });
      host.classList.add("control-mounted");
    } catch (error) {
      host.querySelector(":scope > .control")?.remove();
      console.error(`No se pudo montar el control ${name}:`, error);
    }
  }
}

/** Módulo de anywidget de un control: JupyterLab, Notebook, VS Code y Binder. */
export function widget(definition, data = {}, files = {}) {
  return { render: ({ model, el }) => mountControl(definition, { model, host: el, data, files }) };
}
