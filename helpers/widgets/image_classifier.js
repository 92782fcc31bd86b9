// Clasificador de imágenes: una red responde en la página, con el motor del libro, y lo que mira no sale del dispositivo.
//
// Las redes se cargan la primera vez que hacen falta. Hasta entonces se ve la respuesta que se guardó al registrar la red,
// que es la misma. Una foto se recorta en cuadrado y se reduce a 32×32 promediando el área de cada píxel; lo que se
// enseña y lo que mira la red es el mismo array. `image_classifier.py` hace la misma reducción y una prueba las compara.

import {
  button,
  decodeBase64,
  decodeStrip,
  formatInteger,
  formatNumber,
  formatPercent,
  formatProbability,
  h,
  imageStrip,
  largest,
  networkFailure,
  paintImage,
  ReaderError,
  RecordedNetwork,
  setText,
} from "./base.js";

const SIDE = 32;
const CLOTHES = "ropa";
const PHOTO = "foto";
const MAXIMUM_BYTES = 50 * 1024 ** 2;
const MAXIMUM_PIXELS = 36e6;
const BAND_PIXELS = 2 ** 20; // lo que se lee de un lienzo cada vez: una foto grande nunca está entera en memoria

// --- El estado -----------------------------------------------------------------------------------------------

/** `{ view: "ropa" | "foto", image }`: qué se ve y qué imagen de la tira está elegida. Tu foto no se guarda. */
function normalize(state) {
  if (typeof state !== "object" || state === null || ![CLOTHES, PHOTO].includes(state.view)) return null;
  if (!Number.isInteger(state.image) || state.image < 0 || state.image >= 24) return null;
  return { view: state.view, image: state.image };
}

function describe(state) {
  return state.view === CLOTHES ? `Imagen ${state.image + 1} de 24.` : "Una foto, reducida a 32×32.";
}

const toAddress = (state) => (state.view === CLOTHES ? `ropa-${state.image + 1}` : `foto-${state.image + 1}`);

function fromAddress(text) {
  const [, view, number] = /^(ropa|foto)-(\d{1,2})$/.exec(text) ?? [];
  return view ? normalize({ view, image: Number(number) - 1 }) : null;
}

// --- Reducir una foto ----------------------------------------------------------------------------------------

/** Cuadrado centrado de una foto: {side, left, top}. */
function centredSquare(width, height) {
  const side = Math.min(width, height);
  return { side, left: Math.floor((width - side) / 2), top: Math.floor((height - side) / 2) };
}

/** Por cada píxel de 0 a `side` − 1: en qué casillas de `size` cae y qué parte de cada una cubre. */
function coverage(side, size) {
  return Array.from({ length: side }, (_, pixel) => {
    const parts = [];
    for (let cell = Math.floor((pixel * size) / side); cell < size && cell * side < (pixel + 1) * size; cell += 1) {
      const overlap = Math.min((pixel + 1) * size, (cell + 1) * side) - Math.max(pixel * size, cell * side);
      if (overlap > 0) parts.push([cell, overlap / side]); // en casillas: la suma de una casilla entera es 1
    }
    return parts;
  });
}

/**
 * Reduce un cuadrado de `side`×`side` a `size`×`size`: cada píxel es la media, por área, de los que caen en él.
 *
 * Se promedian los valores tal como están guardados (de 0 a 255, con su gamma), como en las imágenes con las que aprendió
 * la red. `readBand(top, rows)` da esas filas en RGBA; devuelve los valores en RGB.
 */
async function reduceSquare(readBand, side, size = SIDE) {
  const cells = coverage(side, size);
  const sums = new Float64Array(size * size * 3);
  const row = new Float64Array(size * 3);
  const rows = Math.max(1, Math.min(side, Math.floor(BAND_PIXELS / side)));
  for (let top = 0; top < side; top += rows) {
    const count = Math.min(rows, side - top);
    const band = readBand(top, count);
    for (let y = 0; y < count; y += 1) {
      row.fill(0);
      for (let x = 0, at = y * side * 4; x < side; x += 1, at += 4) {
        for (const [cell, share] of cells[x]) {
          row[3 * cell] += share * band[at];
          row[3 * cell + 1] += share * band[at + 1];
          row[3 * cell + 2] += share * band[at + 2];
        }
      }
      for (const [cell, share] of cells[top + y]) {
        for (let i = 0; i < row.length; i += 1) sums[cell * size * 3 + i] += share * row[i];
      }
    }
    if (top + count < side) await new Promise((next) => setTimeout(next)); // la página sigue respondiendo
  }
  return Uint8Array.from(sums, (value) => Math.floor(value + 0.5));
}

// --- Mirar un archivo antes de abrirlo -----------------------------------------------------------------------

/** Tamaño de una imagen y si está animada, leídos de su cabecera; null si no es de un formato conocido. */
function inspectImage(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (from, length) => String.fromCharCode(...bytes.subarray(from, from + length));
  try {
    if (text(1, 3) === "PNG") return inspectPng(view, text);
    if (/^GIF8[79]a/.test(text(0, 6))) return { width: view.getUint16(6, true), height: view.getUint16(8, true), animated: gifFrames(view) > 1 };
    if (text(0, 4) === "RIFF" && text(8, 4) === "WEBP") return inspectWebp(view, text(12, 4));
    if (text(0, 2) === "BM") return { width: view.getInt32(18, true), height: Math.abs(view.getInt32(22, true)), animated: false };
    if (view.getUint16(0) === 0xffd8) return inspectJpeg(view);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // la cabecera está cortada: lo dirá quien intente abrirla
  }
  return null;
}

function inspectPng(view, text) {
  const size = { width: view.getUint32(16), height: view.getUint32(20) };
  for (let at = 8; at < view.byteLength; at += 12 + view.getUint32(at)) {
    const chunk = text(at + 4, 4);
    if (chunk === "acTL") return { ...size, animated: true };
    if (chunk === "IDAT") break;
  }
  return { ...size, animated: false };
}

/** Cuántos fotogramas tiene un GIF, hasta dos. */
function gifFrames(view) {
  const tableBytes = (flags) => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  let frames = 0;
  for (let at = 13 + tableBytes(view.getUint8(10)); at < view.byteLength && frames < 2; ) {
    const block = view.getUint8(at);
    if (block === 0x3b) break;
    frames += block === 0x2c;
    at += block === 0x2c ? 11 + tableBytes(view.getUint8(at + 9)) : 2;
    while (at < view.byteLength && view.getUint8(at)) at += 1 + view.getUint8(at); // trozos, hasta uno vacío
    at += 1;
  }
  return frames;
}

function inspectWebp(view, chunk) {
  const three = (at) => 1 + view.getUint16(at, true) + 65536 * view.getUint8(at + 2);
  if (chunk === "VP8X") return { width: three(24), height: three(27), animated: (view.getUint8(20) & 2) > 0 };
  if (chunk === "VP8L") {
    const bits = view.getUint32(21, true);
    return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >> 14) & 0x3fff), animated: false };
  }
  return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff, animated: false };
}

function inspectJpeg(view) {
  for (let at = 2; at < view.byteLength - 8; ) {
    const marker = view.getUint8(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { width: view.getUint16(at + 7), height: view.getUint16(at + 5), animated: false };
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return null;
}

function checkPixels({ width, height }, name) {
  if (width * height > MAXIMUM_PIXELS)
    throw new ReaderError(
      `${name} tiene ${formatNumber((width * height) / 1e6, 0)} megapíxeles y aquí caben hasta ${MAXIMUM_PIXELS / 1e6}: abrirla puede dejar ` +
        "sin memoria a un teléfono. Redúcela y vuelve a intentarlo.",
    );
}

/**
 * Abre una foto y la reduce. Devuelve { pixels, preview, size, note }: lo que ve la red, un lienzo con el recorte, el tamaño
 * de la foto y un aviso si hace falta.
 */
async function readPhoto(blob, name) {
  if (!blob.size) throw new ReaderError(`${name} está vacía: no tiene ni un byte. Elige otra.`);
  if (blob.size > MAXIMUM_BYTES)
    throw new ReaderError(
      `${name} ocupa ${formatNumber(blob.size / 1024 ** 2, 0)} MB y aquí caben hasta ${MAXIMUM_BYTES / 1024 ** 2}. Redúcela y vuelve a intentarlo.`,
    );
  const found = inspectImage(new Uint8Array(await blob.arrayBuffer()));
  if (found) checkPixels(found, name);
  let bitmap;
  try {
    // Con la orientación que anota la cámara (EXIF), que no siempre es la de los píxeles.
    bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
  } catch {
    throw new ReaderError(
      found
        ? `${name} está dañada o incompleta: este navegador no puede abrirla. Elige otra.`
        : `${name} no es una foto que este navegador sepa abrir. Prueba con una JPEG, PNG o WebP.`,
    );
  }
  try {
    checkPixels(bitmap, name);
    const { side, left, top } = centredSquare(bitmap.width, bitmap.height);
    const canvas = h("canvas", { width: side });
    const painter = canvas.getContext("2d", { willReadFrequently: true });
    const readBand = (from, rows) => {
      canvas.height = rows; // también la deja en blanco
      painter.fillStyle = "#fff"; // lo transparente, sobre blanco
      painter.fillRect(0, 0, side, rows);
      painter.drawImage(bitmap, left, top + from, side, rows, 0, 0, side, rows);
      return painter.getImageData(0, 0, side, rows).data;
    };
    const pixels = await reduceSquare(readBand, side);
    const preview = h("canvas", { width: 256, height: 256 });
    const previewPainter = preview.getContext("2d");
    previewPainter.imageSmoothingQuality = "high";
    previewPainter.fillStyle = "#fff";
    previewPainter.fillRect(0, 0, 256, 256);
    previewPainter.drawImage(bitmap, left, top, side, side, 0, 0, 256, 256);
    const notes = [];
    if (found?.animated) notes.push("Es una animación: se usa su primer fotograma.");
    if (side < SIDE) notes.push(`Mide menos de 32 píxeles de lado, así que se amplía.`);
    return { pixels, preview, size: [bitmap.width, bitmap.height], note: notes.join(" ") };
  } finally {
    bitmap.close();
  }
}

// --- Textos --------------------------------------------------------------------------------------------------

const CAT = { description: "Foto de un gato atigrado, de cerca", truth: "Es un gato." };
const MESSAGES = {
  unsupported:
    "Este navegador es anterior a WebAssembly con SIMD (2021) y no puede calcular lo que dice la red. Actualízalo. Mientras, " +
    "de la ropa se ve la respuesta guardada.",
};

const lower = (label) => label[0].toLowerCase() + label.slice(1);

// --- La interfaz ---------------------------------------------------------------------------------------------

/** Tabla con las clases y, por cada red, su barra y su número. */
function resultTable(classNames, networks) {
  const cells = networks.map(() =>
    classNames.map(() => {
      const bar = h("span", { class: "ic-bar" });
      const number = h("span", { class: "ic-number" }, "–");
      return { bar, number, element: h("td", {}, h("span", { class: "ic-track", "aria-hidden": "true" }, bar), number) };
    }),
  );
  const head = h("tr", {}, h("th", { scope: "col" }, "Clase"), ...networks.map(({ info }) => h("th", { scope: "col" }, networks.length > 1 ? info.label : "Probabilidad")));
  const rows = classNames.map((name, k) => h("tr", {}, h("th", { scope: "row" }, name), ...cells.map((column) => column[k].element)));
  const element = h("table", { class: "ic-table", "aria-label": "Probabilidad de cada clase" }, h("thead", {}, head), h("tbody", {}, ...rows));
  return {
    element,
    set(column, probabilities) {
      const best = probabilities ? largest(probabilities) : -1;
      cells[column].forEach(({ bar, number, element: cell }, k) => {
        bar.style.width = probabilities ? `${(100 * probabilities[k]).toFixed(2)}%` : "0";
        setText(number, probabilities ? formatProbability(probabilities[k]) : "–");
        cell.classList.toggle("ic-best", k === best);
      });
    },
  };
}

function mount(context) {
  const { data } = context;
  const strip = decodeStrip(data.strip);
  const makeNetwork = (info) => new RecordedNetwork(context.loadScript, info, { messages: MESSAGES });
  const clothesNetwork = makeNetwork(data.clothes);
  const photoNetworks = data.photos.map(makeNetwork);
  let asked = false; // nada se descarga hasta que el lector hace algo
  let turn = 0; // cada clasificación tiene su número: la que llega tarde no pinta
  let photo = null;
  let state = context.state;

  const change = (values) => {
    asked = true;
    context.update({ ...context.state, ...values });
  };

  // Las dos vistas.
  const tabs = [[CLOTHES, "Ropa de la muestra"], [PHOTO, "Una foto"]].map(([view, text]) => {
    const element = button({ text, kind: "ic-tab", onClick: () => change({ view }) });
    return { view, element };
  });

  // La tira.
  const names = data.clothes.classNames;
  const images = imageStrip({ images: strip, strip: data.strip, classNames: names, onPick: (image) => change({ image }) });
  const stripBox = images.element;
  const count = images.right.filter(Boolean).length;
  const stripNote = h(
    "p",
    { class: "ic-small" },
    `Las ${strip.length} primeras imágenes de prueba, sin escoger: la red acierta ${count} (✓) y falla ${strip.length - count} (✗). En las ` +
      `${formatInteger(data.clothes.count)} de prueba acierta el ${formatPercent(data.clothes.accuracy)}.`,
  );

  // La foto.
  const input = h("input", { type: "file", accept: "image/*", class: "c-hidden", change: () => input.files[0] && usePhoto(input.files[0]) });
  const chooser = h("label", { class: "c-button principal ic-file" }, "Elige una foto…", input);
  const catButton = button({ text: "Vuelve al gato", onClick: () => useCat() });
  const error = h("p", { class: "c-error", role: "alert", hidden: true });
  const dropZone = h(
    "div",
    { class: "ic-drop" },
    h("div", { class: "c-row" }, chooser, catButton),
    h("p", { class: "ic-small" }, "También puedes soltarla aquí o pegarla con Ctrl+V. Se queda en tu dispositivo: no se envía a ningún sitio."),
  );
  const complain = (text) => {
    setText(error, text);
    error.hidden = !text;
  };

  // El resultado.
  const preview = h("div", { class: "ic-preview", role: "img" });
  const previewBox = h("div", { class: "ic-picture" }, h("p", { class: "ic-name" }, "La foto, recortada"), preview);
  const seen = h("canvas", { class: "ic-seen", role: "img", width: SIDE, height: SIDE });
  const seenBox = h("div", { class: "ic-picture" }, h("p", { class: "ic-name" }, "La red ve 32×32"), seen);
  const clothesTable = resultTable(names, [clothesNetwork]);
  const photoTable = resultTable(data.photos[0].classNames, photoNetworks);
  const verdict = h("p", { class: "ic-verdict" });
  const status = h("p", { class: "ic-small ic-status" });
  const photoNote = h("p", { class: "ic-small" });
  const warning = h("p", { class: "ic-warning" });
  const tables = h("div", { class: "ic-tables" }, verdict, clothesTable.element, photoTable.element, status);
  const result = h("div", { class: "ic-result" }, h("div", { class: "ic-pictures" }, previewBox, seenBox, photoNote), tables);
  context.body.append(
    h("div", { class: "c-row ic-tabs", role: "group", "aria-label": "Qué clasificar" }, ...tabs.map((tab) => tab.element)),
    stripBox,
    stripNote,
    dropZone,
    error,
    result,
    warning,
  );

  // --- Clasificar ---

  const size = (networks) => formatNumber(networks.reduce((sum, { info }) => sum + info.kilobytes, 0), 0) + "\u202fKB";

  /** Pregunta a cada red y avisa con cada respuesta. Devuelve las que llegan, o null si ya no hacen falta. */
  async function ask(networks, pixels, show) {
    const mine = (turn += 1);
    const pending = networks.filter((network) => !network.loaded);
    if (pending.length) setText(status, `Cargando ${pending.length > 1 ? "las redes" : "la red"} (${size(pending)})…`);
    const answers = await Promise.all(
      networks.map(async (network, column) => {
        try {
          const answer = await network.infer(pixels);
          if (mine === turn) show(column, answer.probabilities);
          return answer;
        } catch (problem) {
          if (mine === turn) complain(networkFailure(problem));
          return null;
        }
      }),
    );
    return mine === turn ? answers : null;
  }

  function sayTime(answers) {
    const times = answers.filter(Boolean).map(({ milliseconds }) => `${formatNumber(milliseconds, 1)}\u202fms`);
    setText(status, times.length ? `Calculado ahora, en tu dispositivo, en ${times.join(" y ")}.` : "");
  }

  function sayClothes(image, probabilities) {
    const best = largest(probabilities);
    const label = data.strip.labels[image];
    const end = best === label ? "y acierta" : `y falla: su etiqueta es «${names[label]}»`;
    setText(verdict, `La red dice «${names[best]}» (${formatProbability(probabilities[best])}) ${end}.`);
    clothesTable.set(0, probabilities);
  }

  async function classifyClothes(image) {
    sayClothes(image, data.strip.probabilities[image]);
    if (!asked) {
      turn += 1;
      setText(status, `Respuesta guardada. Elige una imagen y la red (${size([clothesNetwork])}) se carga y la calcula aquí.`);
      return;
    }
    const answers = await ask([clothesNetwork], strip[image], (_, probabilities) => sayClothes(image, probabilities));
    if (!answers) return;
    if (answers[0]) sayTime(answers);
    else setText(status, "Se ve la respuesta guardada.");
    context.announce(verdict.textContent);
  }

  async function classifyPhoto() {
    if (!photo) return;
    photoNetworks.forEach((_, column) => photoTable.set(column, null));
    setText(verdict, "");
    const said = photoNetworks.map(() => null);
    const answers = await ask(photoNetworks, photo.pixels, (column, probabilities) => {
      photoTable.set(column, probabilities);
      const best = largest(probabilities);
      const info = photoNetworks[column].info;
      said[column] = `${info.label} dice «${info.classNames[best]}» (${formatProbability(probabilities[best])}).`;
      setText(verdict, [...said.filter(Boolean), photo.truth].join(" ").trim());
    });
    if (!answers) return;
    sayTime(answers);
    context.announce(verdict.textContent);
  }

  // --- Fotos ---

  let reading = 0;
  async function usePhoto(blob, name = blob.name ? `«${blob.name}»` : "La imagen pegada", about = { description: "Tu foto, recortada en cuadrado", truth: "" }) {
    const mine = (reading += 1);
    turn += 1;
    complain("");
    setText(status, "Abriendo la foto…");
    try {
      const next = await readPhoto(blob, name);
      if (mine !== reading) return;
      photo = { ...next, ...about };
      showPhoto();
      if (context.state.view === PHOTO) await classifyPhoto();
    } catch (problem) {
      if (mine !== reading) return;
      setText(status, "");
      complain(networkFailure(problem));
    } finally {
      input.value = ""; // elegir otra vez la misma también cuenta
    }
  }

  const useCat = () => usePhoto(new Blob([decodeBase64(data.cat)], { type: "image/jpeg" }), "La foto del gato", CAT);

  function showPhoto() {
    preview.replaceChildren(photo.preview);
    preview.setAttribute("aria-label", photo.description);
    paintImage(seen, photo.pixels);
    setText(photoNote, `La foto mide ${photo.size.map(formatInteger).join("×")}. ${photo.note}`.trim());
  }

  const files = (transfer) => [...(transfer?.files ?? [])];
  const takeDrop = (event) => {
    if (context.state.view !== PHOTO) return;
    event.preventDefault();
    root.classList.remove("ic-over");
    if (event.type !== "drop") return;
    const [file] = files(event.dataTransfer);
    if (file) usePhoto(file);
    else complain("Lo que has soltado no es un archivo. Guarda antes la foto en tu dispositivo y suelta el archivo.");
  };
  const root = context.body;
  root.addEventListener("dragover", (event) => {
    takeDrop(event);
    if (context.state.view === PHOTO) root.classList.add("ic-over");
  });
  root.addEventListener("dragleave", () => root.classList.remove("ic-over"));
  root.addEventListener("drop", takeDrop);
  const takePaste = (event) => {
    if (context.state.view !== PHOTO || event.target.closest?.("input, textarea, [contenteditable]")?.type === "text") return;
    const [file] = files(event.clipboardData);
    if (file) {
      event.preventDefault();
      usePhoto(file);
    } else if (root.contains(event.target)) complain("En el portapapeles no hay ninguna imagen.");
  };
  document.addEventListener("paste", takePaste);

  // --- Pintar ---

  let painted = "";
  function render(next) {
    state = next;
    const clothes = state.view === CLOTHES;
    result.classList.toggle("ic-photo", !clothes);
    tabs.forEach(({ view, element }) => element.setAttribute("aria-pressed", String(view === state.view)));
    for (const element of [stripBox, stripNote, clothesTable.element]) element.hidden = !clothes;
    for (const element of [dropZone, previewBox, photoTable.element, photoNote]) element.hidden = clothes;
    images.set(state.image);
    const key = clothes ? `${state.image} ${asked}` : PHOTO;
    if (key === painted) return;
    painted = key;
    complain("");
    if (clothes) {
      paintImage(seen, strip[state.image]);
      seen.setAttribute("aria-label", `Imagen de prueba ${state.image + 1}: ${names[data.strip.labels[state.image]]}`);
      setText(
        warning,
        `Las probabilidades pecan de confianza: en la prueba esta red está segura al ${formatPercent(data.clothes.confidence)}, de media, y acierta el ` +
          `${formatPercent(data.clothes.accuracy)}.`,
      );
      classifyClothes(state.image);
      return;
    }
    seen.setAttribute("aria-label", "La misma foto con 32×32 píxeles, que es lo que ve la red");
    setText(
      warning,
      "Una foto de cualquier otra cosa también recibe una de estas diez etiquetas, a veces con mucha confianza: aquí nadie sabe decir «no lo sé». " +
        `En sus ${formatInteger(photoNetworks[0].info.count)} fotos de prueba ${photoNetworks.map(({ info }) => `${lower(info.label)} acierta el ${formatPercent(info.accuracy)}`).join(" y ")}.`,
    );
    if (photo) {
      showPhoto();
      classifyPhoto();
    } else useCat();
  }

  return {
    render,
    destroy() {
      document.removeEventListener("paste", takePaste);
      for (const network of [clothesNetwork, ...photoNetworks]) network.close();
    },
  };
}

const css = `
.control .ic-tabs { margin-bottom: 0.6rem; }
.control .ic-tab[aria-pressed="true"] { border-color: var(--c-accent); background: var(--c-accent); color: var(--c-on-accent); }
.control .ic-small { color: var(--c-muted); font-size: 0.9rem; }
.control .c-strip + .ic-small { margin: 0.4rem 0 0; }
.control .ic-drop { padding: 0.6rem; border: 2px dashed var(--c-edge); border-radius: 0.4rem; }
.control .ic-drop .ic-small { margin-top: 0.4rem; }
.control .ic-over .ic-drop { border-color: var(--c-accent); background: var(--c-accent-soft); }
.control .ic-file { display: inline-flex; position: relative; align-items: center; margin: 0; }
.control .ic-file:focus-within { outline: 3px solid var(--c-accent); outline-offset: 2px; }
.control .c-body > .c-error { margin-top: 0.6rem; padding: 0.4rem 0.7rem; border-left: 0.25rem solid var(--c-error); background: var(--c-error-soft); }
.control .ic-result { display: grid; grid-template-columns: 12rem minmax(0, 1fr); gap: 1rem; align-items: start; margin-top: 0.8rem; }
.control .ic-pictures { display: grid; gap: 0.6rem; }
.control .ic-photo { grid-template-columns: 19rem minmax(0, 1fr); }
.control .ic-photo > .ic-pictures { grid-template-columns: repeat(2, minmax(0, 1fr)); }
.control .ic-photo > .ic-pictures > .ic-small { grid-column: 1 / -1; }
.control .ic-name { margin-bottom: 0.2rem; font-size: 0.9rem; font-weight: 600; }
.control .ic-seen, .control .ic-preview canvas { display: block; width: 100%; height: auto; border: 1px solid var(--c-edge); }
.control .ic-seen { image-rendering: pixelated; }
.control .ic-verdict { min-height: 1.4em; margin-bottom: 0.4rem; font-size: 1.1rem; font-weight: 600; }
.control .ic-status { min-height: 1.4em; margin-top: 0.4rem; }
.control .ic-table { width: 100%; margin: 0; border: 0; border-collapse: collapse; table-layout: fixed; background: none; color: inherit; font-size: 0.95rem; }
.control .ic-table :is(th, td, tr) { padding: 0.06rem 0.3rem; border: 0; background: none; color: inherit; text-align: left; vertical-align: middle; }
.control .ic-table th:first-child { width: 6.2rem; padding-left: 0; font-weight: 400; }
.control .ic-table thead th { color: var(--c-muted); font-size: 0.875rem; font-weight: 400; }
.control .ic-table td { white-space: nowrap; }
.control .ic-track { display: inline-block; width: calc(100% - 4.4rem); height: 0.85rem; border-radius: 2px; background: var(--c-raised); vertical-align: middle; }
.control .ic-bar { display: block; height: 100%; min-width: 1px; border-radius: 2px; background: var(--c-plain); }
.control .ic-number { display: inline-block; width: 4.2rem; text-align: right; }
.control .ic-best { font-weight: 700; }
.control .ic-best .ic-bar { background: var(--c-accent); }
.control .ic-warning { margin-top: 0.7rem; padding: 0.4rem 0.7rem; border-left: 0.25rem solid var(--c-accent); background: var(--c-accent-soft); font-size: 0.95rem; }
@container (max-width: 34rem) {
  .control .ic-photo, .control .ic-result { grid-template-columns: minmax(0, 1fr); gap: 0.6rem; }
  .control .ic-pictures { grid-template-columns: repeat(2, minmax(0, 9rem)); }
  .control .ic-pictures > .ic-small { grid-column: 1 / -1; }
  .control .ic-track { width: calc(100% - 4.3rem); }
  .control .ic-photo > .ic-pictures { width: auto; }
  .control .ic-table th:first-child { width: 5.4rem; }
}
`;

export default { title: "Clasifica una imagen ahora", css, normalize, describe, toAddress, fromAddress, mount, reduceSquare, centredSquare, inspectImage };
