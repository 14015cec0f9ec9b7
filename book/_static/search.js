// What stands under a search result: the sentence that has the words, and the section it is in.
// Sphinx cuts its excerpt out of the text of the whole page, which begins with the menus and the
// printed table of contents. So nearly every excerpt showed these. Loaded after searchtools.js.
const PASSAGES = "p, li, tr, dd, summary, h1, h2, h3, pre";
const NOT_TEXT = ".headerlink, script, style, nav, [role=navigation], .prev-next-footer";

// A term of the glossary is what a reader most probably looks for.
Scorer.score = ([page, , anchor, , score]) =>
  score + (page === "book/glossary" && anchor ? 20 : 0);

// A page opened as a file may not read other files: then results are links only.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

function plain(element) {
  const copy = element.cloneNode(true);
  for (const formula of copy.querySelectorAll(".math")) {
    const text = formula.textContent.replace(/^\s*\\[([]|\\[)\]]\s*$/g, "");
    formula.textContent = /\\/.test(text) ? "…" : text;
  }
  return copy.textContent.replace(/\s+/g, " ").trim();
}

// The sentence with the most of the words; with the next one, if it is short.
function sentence(text, words) {
  const parts = text.split(/(?<=[.!?])\s+(?=\p{Lu})/u);
  const best = parts.reduce((best, part, place) =>
    hits(part, words) > hits(parts[best], words) ? place : best, 0);
  let said = parts[best];
  if (said.length < 80 && parts[best + 1]) said += ` ${parts[best + 1]}`;
  const start = Math.max(0, Math.min(...places(said, words)) - 150);
  return `${start ? "… " : ""}${said.slice(start, start + 300)}${said.length > start + 300 ? " …" : ""}`;
}

function places(text, words) {
  const found = words.map((word) => text.toLowerCase().indexOf(word)).filter((at) => at >= 0);
  return found.length ? found : [0];
}

function hits(text, words) {
  return words.filter((word) => text.toLowerCase().includes(word)).length;
}

Search.makeSearchSummary = (htmlText, keywords, anchor) => {
  const page = new DOMParser().parseFromString(htmlText, "text/html");
  const article = page.querySelector("article.bd-article");
  const root = (anchor && article?.querySelector(`[id="${anchor.slice(1)}"]`)) || article;
  if (!root) return null;
  for (const part of root.querySelectorAll(NOT_TEXT)) part.remove();
  const words = [...keywords].map((word) => word.toLowerCase());
  // Prose before headings and code, the first of equals.
  const worth = (part) => hits(part.textContent, words) + (/^(P|LI|DD)$/.test(part.tagName) ? 0.5 : 0);
  let best = null;
  for (const part of root.querySelectorAll(PASSAGES)) {
    if (hits(part.textContent, words) && !(best && worth(part) <= worth(best))) best = part;
  }
  // What a heading with the words is about stands below it.
  if (!best || /^H/.test(best.tagName)) best = (best?.parentElement ?? root).querySelector("p") ?? best;
  if (!best) return null;
  const summary = document.createElement("p");
  summary.className = "context";
  const section = best.closest("section[id]");
  const name = htmlText.match(/DOCUMENTATION_OPTIONS\.pagename = '([^']+)'/)?.[1];
  const title = section?.querySelector("h1, h2, h3, h4");
  if (name && title && !anchor) {
    const link = summary.appendChild(document.createElement("a"));
    link.href = `${name}.html#${section.id}`;
    link.textContent = plain(title);
    summary.append(": ");
  }
  summary.append(sentence(plain(best), words));
  return summary;
};
