/* Watches a run of the playground: each line that the server sends is a piece of the page. */
(() => {
"use strict";
const form = document.querySelector("[data-watch]");
if (!form) return;
/* One line of time for all steps so far: it ends with the last of them. */
function drawTimes(steps) {
  const bars = [...steps.querySelectorAll("rect[data-to]")], whole = Math.max(1, ...bars.map((bar) => Number(bar.dataset.to)));
  for (const bar of bars) {
    const width = bar.ownerSVGElement.viewBox.baseVal.width, from = Number(bar.dataset.from), to = Number(bar.dataset.to);
    bar.setAttribute("x", width * from / whole);
    bar.setAttribute("width", Math.max(2, width * (to - from) / whole));
  }
}
async function watch(part, model) {
  const place = document.querySelector(`[data-run-of=${part}]`), steps = place.querySelector("ol"), end = place.querySelector("[data-end]");
  place.hidden = false;
  place.querySelector("h2").textContent = model;
  steps.replaceChildren();
  end.textContent = "Running…";
  const asked = new FormData(form);
  asked.set("model", model);
  asked.set("beside", "");
  try {
    const answer = await fetch(form.action, { method: "POST", body: asked });
    if (!answer.headers.get("content-type").includes("ndjson")) {
      end.innerHTML = answer.status === 422 ? await answer.text() : "";
      if (answer.status !== 422) end.textContent = `This did not work (${answer.status}). Reload the page, and try again.`;
      return;
    }
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = "", read; !(read = await reader.read()).done;) {
      const lines = (rest + read.value).split("\n");
      rest = lines.pop();
      for (const line of lines.map((text) => JSON.parse(text))) {
        if (line.kind === "held" || line.kind === "step") { steps.insertAdjacentHTML("beforeend", line.html); drawTimes(steps); }
        else end.innerHTML = line.html;
      }
    }
  } catch {
    end.textContent = "The connection broke off. The run goes on, and is listed under Runs.";
  }
}
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const go = form.querySelector("[data-go]"), beside = form.elements.beside.value;
  document.querySelector("[data-run-of=beside]").hidden = true;
  go.disabled = true;
  await Promise.all([watch("model", form.elements.model.value), ...(beside ? [watch("beside", beside)] : [])]);
  go.disabled = false;
});
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
})();
