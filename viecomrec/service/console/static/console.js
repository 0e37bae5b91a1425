// The console works without this file; with it, pages stay current by themselves.
"use strict";

const REFRESH_MS = 2000;

function every(milliseconds, work) {
  const tick = async () => {
    if (!document.hidden) {
      try { await work(); } catch (error) { /* the next look may succeed */ }
    }
    setTimeout(tick, milliseconds);
  };
  tick();
}

async function get(url) {
  const answer = await fetch(url, { credentials: "same-origin", redirect: "manual" });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer;
}

for (const select of document.querySelectorAll("[data-submits]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

for (const part of document.querySelectorAll("[data-refresh]")) {
  every(REFRESH_MS, async () => {
    if (part.contains(document.activeElement)) return;
    part.innerHTML = await (await get(part.dataset.refresh)).text();
  });
}

for (const log of document.querySelectorAll("[data-log]")) {
  let file = "";
  let offset = 0;
  every(1000, async () => {
    if (file && !document.getElementById("follow").checked) return;
    const url = `${log.dataset.log}?file=${encodeURIComponent(file)}&offset=${offset}`;
    const news = await (await get(url)).json();
    if (news.file !== file) log.textContent = "";
    file = news.file;
    offset = news.offset;
    if (news.text) {
      log.textContent += news.text;
      log.scrollTop = log.scrollHeight;
    }
  });
}

for (const form of document.querySelectorAll("[data-preview]")) {
  form.addEventListener("input", async () => {
    const fields = new URLSearchParams(new FormData(form));
    fields.delete("csrf");
    const answer = await get(`${form.dataset.preview}?${fields}`);
    document.getElementById("preview").innerHTML = await answer.text();
  });
}
