// El orden de los resultados y sus extractos: del artículo (sin menús, pie ni celda inicial) y alrededor de la palabra, con o
// sin acentos.
"use strict";

// Más que la mayor puntuación de Sphinx (100, un título idéntico): la página que explica la palabra va delante.
const EXPLAINS = 100;

const stemmer = new Stemmer();
const asked = new Set(
  splitQuery(new URLSearchParams(location.search).get("q") ?? "").map((word) => stemmer.stemWord(word)));
const explaining = new Set(
  EXPLAINED.filter(([stems]) => stems.every((stem) => asked.has(stem))).flatMap(([, pages]) => pages));
Scorer.score = ([docName, , , , score]) => score + (explaining.has(docName) ? EXPLAINS : 0);

const CONTEXT = 240;

// Quita los acentos letra a letra, así que las posiciones del texto no cambian; conserva la ñ.
const foldText = (text) =>
  text.normalize("NFC").toLowerCase().replace(/[áéíóúü]/g, (c) => "aeiouu"["áéíóúü".indexOf(c)]);

Search.htmlToText = (html, anchor) => {
  const page = new DOMParser().parseFromString(html, "text/html");
  page.querySelectorAll(".headerlink, .tag_celda-inicial, script, style").forEach((element) => element.remove());
  const article = page.querySelector("article.bd-article");
  const section = anchor ? page.getElementById(decodeURIComponent(anchor.slice(1))) : null;
  return (section ?? article)?.textContent ?? "";
};

Search.makeSearchSummary = (html, keywords, anchor) => {
  const text = Search.htmlToText(html, anchor).normalize("NFC").replace(/\s+/g, " ").trim();
  if (!text) return null;
  const folded = foldText(text);
  const found = [...keywords].map((word) => folded.indexOf(foldText(word))).filter((i) => i >= 0);
  const start = Math.max(Math.min(...found, text.length) - CONTEXT / 2, 0);
  const from = found.length ? start : 0;
  const summary = document.createElement("p");
  summary.classList.add("context");
  summary.textContent =
    (from > 0 ? "…" : "") + text.slice(from, from + CONTEXT) + (from + CONTEXT < text.length ? "…" : "");
  return summary;
};
