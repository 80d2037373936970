/* Keys, palette, theme, menus and forms of the console. Every page works without it; nothing here decides anything. */
(() => {
"use strict";
const root = document.documentElement;
const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const typing = (target) => target.matches("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");

/* ---- Dialogs */
function openPalette() {
  const dialog = one("#palette");
  if (!dialog || dialog.open) return;
  dialog.showModal();
  const field = one("#palette-q");
  field.select();
  field.dispatchEvent(new Event("open"));
}
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]");
  if (opener) openPalette();
  if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
  if (event.target.matches("dialog")) event.target.close();
  const menu = event.target.closest("[data-menu]");
  if (menu) menu.setAttribute("aria-expanded", String(one("#nav").classList.toggle("open")));
  for (const drop of all("details.drop[open], details.orgs[open], details.how[open]")) if (!drop.contains(event.target)) drop.open = false;
});
function walkHits(event) {
  const field = one("#palette-q"), links = all("#hits a");
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  if (event.key === "ArrowDown") links[Math.min(at + 1, links.length - 1)].focus();
  else if (event.key === "ArrowUp") at > 0 ? links[at - 1].focus() : field.focus();
  else if (event.key === "Enter" && document.activeElement === field) { if (one("#hits [data-text]").dataset.text === field.value.trim()) links[0].click(); }
  else return;
  event.preventDefault();
}

/* ---- Keys. Single ones can be switched off (WCAG 2.1.4); they never act while somebody types. */
let led = -Infinity;
function singleKey(event) {
  if (performance.now() - led < 2000) {
    led = -Infinity;
    const link = one(`#nav [data-key="${CSS.escape(event.key)}"]`);
    if (link) { event.preventDefault(); link.click(); }
    return;
  }
  if (event.key === "g") led = performance.now();
  else if (event.key === "/") { event.preventDefault(); const field = one("[data-search]"); field ? field.focus() : openPalette(); }
  else if (event.key === "?") one("#help")?.showModal();
  else if (event.key === "[" || event.key === "]") one(`[data-step="${event.key}"]`)?.click();
  else if (event.key === "j" || event.key === "k") walkRows(event.key === "j" ? 1 : -1);
  else if (event.key === "x") compareOrNot();
  else if (KEYED[event.key] && !event.target.closest(".cf-chart, [role=region]")) one(`main ${KEYED[event.key]}`)?.click();
}
const KEYED = { e: "a[href*='/edit/']", ArrowLeft: "[data-earlier]", ArrowRight: "[data-later]" };
/* With the comparison that was there before, or that everybody begins with. */
function compareOrNot() {
  const field = one("main #compare");
  if (!field) return;
  const kept = sessionStorage.getItem("compare");
  if (field.value !== "off") sessionStorage.setItem("compare", field.value);
  field.value = field.value === "off" ? (one(`option[value="${CSS.escape(kept ?? "weekday")}"]`, field) ? kept ?? "weekday" : "weekday") : "off";
  field.form.requestSubmit();
}
function walkRows(step) {
  const links = all("[data-row]").map((row) => one("a", row)).filter(Boolean);
  const at = links.findIndex((link) => link.closest("[data-row]").contains(document.activeElement));
  const next = links[Math.max(0, Math.min(links.length - 1, at < 0 ? (step > 0 ? 0 : links.length - 1) : at + step))];
  if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
}
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); openPalette(); return; }
  if (one("#palette")?.open) { walkHits(event); return; }
  if (document.body.dataset.shortcuts === "off" || event.ctrlKey || event.metaKey || event.altKey || one("dialog[open]")) return;
  if (!typing(event.target)) singleKey(event);
});

/* ---- Theme: at once, and kept by the server for the next page. */
one("[data-themes]")?.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button || button.name !== "theme") return;
  event.preventDefault();
  const form = event.currentTarget, said = new FormData(form, button);
  root.dataset.theme = button.value;
  for (const other of all("button", form)) other.setAttribute("aria-pressed", String(other === button));
  fetch(form.action, { method: "POST", body: said, redirect: "manual" });
});

/* ---- Forms */
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-auto]")) event.target.form.requestSubmit();
  if (event.target.matches("[data-select-page]")) for (const box of all("[name=id]", event.target.form)) box.checked = event.target.checked;
  if (event.target.matches("[data-bulk] [name=id], [data-select-page]")) countChosen(event.target.form);
  if (event.target.name === "scope") showFor(event.target.form);
});
function countChosen(form) {
  const count = all("[name=id]:checked", form).length, page = one("[data-select-page]", form);
  page.checked = count === all("[name=id]", form).length;
  page.indeterminate = count > 0 && !page.checked;
  one("[data-chosen]", form).textContent = count ? `${count} ticked:` : "Ticked rows:";
}
function showFor(form) {
  const chosen = one("[name=scope]:checked", form)?.value;
  for (const part of all("[data-shows-for]", form)) part.hidden = part.dataset.showsFor !== chosen;
}
for (const form of all("form#form")) if (one("[name=scope]", form)) showFor(form);
for (const page of all("[data-select-page]")) page.hidden = false;
addEventListener("pageshow", () => { for (const form of all("[data-bulk]")) countChosen(form); });
/* An empty field of a filter is nothing to say in an address, nor is one that the pressed button says otherwise. */
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-filters]")) return;
  const said = event.submitter?.name;
  for (const field of all("input, select", event.target)) if (!field.value || (said && field.name === said)) field.disabled = true;
});
addEventListener("pageshow", () => { for (const field of all("[data-filters] :disabled")) field.disabled = false; });

/* ---- Copying */
async function copy(text, button) {
  await navigator.clipboard.writeText(text);
  const label = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1500);
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-copy-link]");
  if (button) copy(button.dataset.copy ?? location.href, button);
});
for (const snippet of all("[data-snippet]")) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "btn s", textContent: "Copy" });
  button.addEventListener("click", () => copy(snippet.textContent, button));
  snippet.tabIndex = 0;
  snippet.before(button);
}
})();
