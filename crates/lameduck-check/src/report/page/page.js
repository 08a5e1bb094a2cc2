// Draws the report from the JSON block. What must hold: every word of it that comes from the target, or from whoever
// ran the prover, becomes text by textContent, never markup; nothing is loaded from anywhere.
"use strict";
const report = JSON.parse(document.getElementById("data").textContent);

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === false || value === null || value === undefined) continue;
    node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}

const number = (value) => value.toLocaleString("en-US");
function time(ms) {
  if (ms === null || ms === undefined) return "–";
  const size = Math.abs(ms);
  if (size >= 10000) return (ms / 1000).toFixed(1) + " s";
  if (size >= 1000) return (ms / 1000).toFixed(2) + " s";
  return (size >= 100 ? ms.toFixed(0) : ms.toFixed(1)) + " ms";
}
const at = (ms) => (ms < 0 ? "−" : "+") + time(Math.abs(ms));
function percent(rate) {
  const share = rate * 100;
  return (share >= 10 ? share.toFixed(0) : share >= 1 ? share.toFixed(1) : share >= 0.1 ? share.toFixed(2) : share.toFixed(3)) + " %";
}
const many = (count, word, plural) => number(count) + " " + (count === 1 ? word : plural || word + "s");
const distance = (ms) => (ms === 0 ? "loopback" : ms + " ms round trip");
const MARKS = { kept: "✔", broken: "✘", undecided: "?", skipped: "–" };
const CLASSES = [["loss", "what a client loses"], ["time", "what whoever waits for the end sees"], ["convention", "what is customary; counts with --strict"]];

// ---- what it comes to

function banner() {
  const broken = report.promises.filter((it) => it.verdict === "broken" && it.counts);
  const kind = report.exit_code === 0 ? "kept" : report.exit_code === 1 ? "broken" : "open";
  const terms = [report.signal, "grace " + time(report.grace_ms), many(report.rounds, "shutdown") + " under load",
    report.rtts_ms.map(distance).join(" and "), "seed " + report.seed];
  return make("header", { class: "sheet banner " + kind },
    make("h1", {}, "Graceful shutdown of ", make("code", {}, report.target)),
    make("p", { class: "dim" }, terms.join(" · ")),
    make("p", { class: "said" }, (MARKS[kind] || "?") + " " + report.summary),
    make("p", {}, broken.length > 0 ? "Broken, and counts: " + broken.map((it) => it.name).join(", ") : report.ruling),
    report.cut_short ? make("p", { class: "note" }, "Cut short: " + report.cut_short) : null,
    report.remarks.map((remark) => make("p", { class: "note" }, remark)));
}

function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted.length ? sorted[sorted.length >> 1] : null;
}

function figures() {
  const outcomes = report.outcomes;
  const all = Object.values(outcomes).reduce((sum, it) => sum + it, 0);
  const lost = outcomes.reset_before_response + outcomes.eof_before_response + outcomes.truncated + outcomes.timeout;
  const exits = [...new Set(report.exit)].join(", ") || "–";
  const list = [
    [report.losses.failed + " of " + report.losses.tried, "shutdowns in which something was lost; at most " + percent(report.losses.bound95) + " of them, at 95 %"],
    [number(lost), "requests lost, of " + number(all)],
    [number(outcomes.refused), "connections refused or streams sent back"],
    [time(median(report.signal_to_exit_ms)), "from signal to exit (median)"],
    [exits, report.exit.length === 1 ? "exit code" : "exit codes"],
  ];
  return make("div", { class: "figures" }, list.map(([value, words]) =>
    make("div", { class: "sheet figure" }, make("b", {}, value), make("span", {}, words))));
}

// ---- verdicts

/** More pieces of evidence than this are folded away. */
const SHOWN = 5;

function evidenceTable(verdict) {
  const table = (list) => make("table", { class: "evidence" },
    make("tr", {}, ["round", "since signal", "where", "what was seen"].map((it) => make("th", { scope: "col" }, it))),
    list.map((it) => make("tr", {},
      make("td", { class: "at" }, "round " + it.round),
      make("td", { class: "at" }, at(it.at_ms)),
      make("td", {}, it.where + (it.connection ? ", " + it.connection : "")),
      make("td", {}, it.what))));
  const all = verdict.verdict === "undecided" ? verdict.undecided : verdict.failures;
  const told = verdict.evidence.reduce((sum, it) => sum + (it.failures || 1), 0);
  const rest = verdict.evidence.slice(SHOWN);
  return [
    table(verdict.evidence.slice(0, SHOWN)),
    rest.length ? make("details", { class: "more" }, make("summary", {}, "the next " + rest.length), table(rest)) : null,
    all > told ? make("p", { class: "dim" }, "and " + number(all - told) + " more") : null,
  ];
}

function explanation(verdict) {
  const it = report.explanations[verdict.name];
  if (!it) return null;
  const list = (words) => make("ul", {}, words.map((word) => make("li", {}, word)));
  return make("details", { class: "more", open: verdict.verdict === "broken" && verdict.counts },
    make("summary", {}, "Why it matters, and how to keep it"), make("p", {}, it.matters),
    make("h4", {}, "How servers break it"), list(it.breaks),
    make("h4", {}, "How to keep it"), list(it.keep),
    it.known.length ? make("h4", {}, "Known") : null,
    it.known.length ? make("ul", {}, it.known.map((fact) => make("li", {}, make("b", {}, fact.of), ": " + fact.says + " ",
      make("span", { class: "mono dim" }, fact.source)))) : null);
}

function promiseRow(verdict) {
  const counts = verdict.verdict === "skipped" ? "" :
    verdict.shutdowns.failed + " of " + verdict.shutdowns.tried + " · ≤ " + percent(verdict.shutdowns.bound95);
  const title = "failed in " + verdict.shutdowns.failed + " of " + verdict.shutdowns.tried + " shutdowns, " +
    number(verdict.failures) + " of " + many(verdict.trials, "trial");
  const cells = [make("span", { class: "mark", "aria-hidden": "true" }, MARKS[verdict.verdict]),
    make("span", { class: "name" }, verdict.name, make("span", { class: "hidden-words" }, " " + verdict.verdict)),
    make("span", { class: "why" }, verdict.why + (verdict.accepted ? " (known: it is in the baseline)" : "")),
    make("span", { class: "count", title }, counts)];
  const inside = make("div", { class: "inside" },
    make("p", {}, (report.explanations[verdict.name] || { promise: "" }).promise),
    verdict.verdict === "skipped" ? null : make("p", { class: "dim" }, title + "; at most " + percent(verdict.bound95) + " of trials, at 95 %"),
    verdict.evidence.length ? evidenceTable(verdict) : null, explanation(verdict));
  return make("details", { class: "promise is-" + verdict.verdict, open: verdict.verdict === "broken" && verdict.counts },
    make("summary", {}, cells), inside);
}

function verdicts() {
  const parts = [make("h2", { id: "verdicts" }, "Verdicts"),
    make("p", { class: "dim" }, "At the right: shutdowns in which it failed, and the highest share of shutdowns that is not ruled out at 95 %.")];
  for (const [name, about] of CLASSES) {
    const tried = report.promises.filter((it) => it.class === name && it.verdict !== "skipped");
    if (tried.length) {
      parts.push(make("h3", {}, name.toUpperCase() + " – " + about), make("div", { class: "sheet" }, tried.map(promiseRow)));
    }
  }
  const skipped = report.promises.filter((it) => it.verdict === "skipped");
  if (skipped.length) {
    parts.push(make("h3", {}, "NOT TESTED"), make("details", { class: "sheet" },
      make("summary", { style: "padding:8px 14px;cursor:pointer" }, many(skipped.length, "promise")), skipped.map(promiseRow)));
  }
  return make("section", { "aria-labelledby": "verdicts" }, parts);
}

// ---- the shutdown as a timeline

const ENDINGS = ["ok", "ok_close", "refused", "unanswered", "unprocessed", "reset_before_response", "eof_before_response", "truncated", "changed", "status_5xx", "timeout"];
const ENDING_WORDS = ["answered", "answered, the last on its connection", "refused", "no answer to the connection attempt", "sent back unprocessed",
  "lost: reset before a response", "lost: closed before a response", "lost: cut in the response", "another answer than before the signal", "status 5xx", "lost: never answered"];
const isLost = (ending) => ending === 5 || ending === 6 || ending === 7 || ending === 10;
const COLOR_OF = ["ok", "close", "refused", "changed", "refused", "lost", "lost", "lost", "changed", "changed", "lost"];

/** Lanes of rows of bars that do not overlap; each row in order, so that a bar is found by halving. */
function layOut(picture) {
  const bars = picture.requests;
  const lanes = picture.loads.map((name) => ({ name, clients: new Map(), rows: [], lost: 0, count: 0 }));
  const order = Array.from(bars.began_ms.keys()).sort((a, b) => bars.began_ms[a] - bars.began_ms[b]);
  for (const index of order) {
    const lane = lanes[bars.load[index]];
    const client = bars.client[index];
    if (!lane.clients.has(client)) lane.clients.set(client, []);
    const rows = lane.clients.get(client);
    let row = rows.find((it) => it.until <= bars.began_ms[index]);
    if (!row) { row = { until: 0, bars: [] }; rows.push(row); }
    row.bars.push(index);
    row.until = bars.began_ms[index] + bars.took_ms[index];
    lane.count += bars.stands_for ? bars.stands_for[index] : 1;
    if (isLost(bars.ending[index])) lane.lost += 1;
  }
  for (const lane of lanes) {
    const clients = [...lane.clients.keys()].sort((a, b) => a - b);
    lane.rows = clients.flatMap((client) => lane.clients.get(client)).map((row) => row.bars);
    const height = Math.min(Math.max(lane.rows.length * 3, 16), 150);
    lane.step = height / Math.max(lane.rows.length, 1);
    lane.height = height;
  }
  return lanes.filter((lane) => lane.count > 0);
}

function timeline() {
  const pictures = report.pictures;
  if (!pictures.length) return null;
  const section = make("section", { "aria-labelledby": "timeline" }, make("h2", { id: "timeline" }, "The shutdown on a time axis"));
  const tools = make("div", { class: "tools", role: "toolbar", "aria-label": "Which shutdown, and how near" });
  const canvas = make("canvas", { tabindex: "0", role: "img", "aria-describedby": "how" });
  const over = make("canvas", { class: "over", "aria-hidden": "true" });
  const tip = make("div", { class: "tip", hidden: true, role: "status", "aria-live": "polite" });
  const layers = make("div", { class: "layers" }, canvas, over);
  const stage = make("div", { class: "stage" }, layers, tip);
  const losses = make("div", { class: "losses", role: "list", "aria-label": "Losses" });
  const how = make("p", { class: "dim", id: "how" }, "A row is a client, a bar a request. Point at one for its story. Arrow keys go from loss to loss, + and − zoom, 0 shows all; drag to move.");
  const legend = make("div", { class: "legend" }, [["ok", "answered"], ["close", "answered, the last on its connection"], ["refused", "refused"], ["changed", "another answer, 5xx, no answer to connecting"], ["lost", "lost"], ["socket", "WebSocket"], ["stall", "the prover itself stood still"]]
    .map(([name, words]) => make("span", {}, make("i", { style: "background:var(--bar-" + name + ")" }), words)));
  section.append(how, make("div", { class: "sheet" }, tools, stage, legend, losses));

  let picture, lanes, from, to, left, width, tops, total, colors, lostBars, chosen = -1;
  const ROOM = 30, FOOT = 8;
  const buttons = [];
  for (const [index, it] of pictures.entries()) {
    const words = "round " + it.round + (it.kind === "load" ? "" : " (" + it.kind + ")") + ", " + (it.rtt_ms ? it.rtt_ms + " ms" : "loopback") + (it.lost ? ", " + many(it.lost, "loss", "losses") : "");
    const button = make("button", { type: "button", "aria-pressed": "false" }, words);
    button.addEventListener("click", () => show(index));
    buttons.push(button);
    tools.append(button);
  }
  tools.append(make("span", { class: "gap" }));
  for (const [words, label, act] of [["−", "Zoom out", () => zoom(2)], ["+", "Zoom in", () => zoom(0.5)], ["All", "Show all", () => whole()]]) {
    const button = make("button", { type: "button", "aria-label": label }, words);
    button.addEventListener("click", act);
    tools.append(button);
  }

  const bounds = () => {
    const first = picture.requests.began_ms.length ? Math.min(...picture.shown_from ? [picture.shown_from] : [-600]) : -600;
    return [Math.max(first, -1500), Math.max(picture.exit_ms * 1.04, 20) + 20];
  };
  function whole() { [from, to] = bounds(); draw(); }
  function zoom(factor, around) {
    const [first, last] = bounds();
    const middle = around === undefined ? (from + to) / 2 : around;
    const share = (middle - from) / (to - from);
    const span = Math.min(Math.max((to - from) * factor, 2), last - first);
    from = Math.max(first, Math.min(middle - span * share, last - span));
    to = from + span;
    draw();
  }
  const x = (ms) => left + ((ms - from) / (to - from)) * width;
  const ms = (px) => from + ((px - left) / width) * (to - from);

  function show(index) {
    picture = pictures[index];
    lanes = layOut(picture);
    buttons.forEach((button, it) => button.setAttribute("aria-pressed", String(it === index)));
    const bars = picture.requests;
    lostBars = [...bars.ending.keys()].filter((it) => isLost(bars.ending[it])).sort((a, b) => end(a) - end(b));
    chosen = -1;
    hide();
    losses.replaceChildren();
    losses.hidden = !lostBars.length;
    if (lostBars.length) losses.append(make("h4", {}, many(lostBars.length, "loss", "losses") + " in this shutdown" + (lostBars.length > 200 ? ", the first 200" : "")));
    for (const it of lostBars.slice(0, 200)) {
      const button = make("button", { type: "button" }, make("span", { class: "at" }, at(end(it))), story(it));
      button.addEventListener("click", () => { canvas.focus(); choose(lostBars.indexOf(it), true); });
      losses.append(make("div", { role: "listitem" }, button));
    }
    canvas.setAttribute("aria-label", "Round " + picture.round + ", " + distance(picture.rtt_ms) + ": " + many(bars.began_ms.length, "request") +
      " as bars, " + many(lostBars.length, "loss", "losses") + ", " + picture.exit + " " + time(picture.exit_ms) + " after the signal.");
    whole();
  }
  const end = (index) => picture.requests.began_ms[index] + picture.requests.took_ms[index];
  function story(index) {
    const bars = picture.requests;
    const told = bars.stories[index];
    if (told) return told;
    return picture.loads[bars.load[index]] + " " + bars.client[index] + ", request " + bars.number[index] + ": " + ENDING_WORDS[bars.ending[index]];
  }

  function palette() {
    const style = getComputedStyle(document.documentElement);
    const value = (name) => style.getPropertyValue("--" + name).trim();
    const names = ["ink", "dim", "line", "soft", "sheet", "good", "bad", "warn", "accent", "bar-ok", "bar-close", "bar-refused", "bar-changed", "bar-lost", "bar-socket", "bar-stall"];
    return Object.fromEntries(names.map((name) => [name, value(name)]));
  }

  function size(target, wide, high) {
    const ratio = window.devicePixelRatio || 1;
    target.width = Math.round(wide * ratio);
    target.height = Math.round(high * ratio);
    target.style.height = high + "px";
    const pen = target.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    return pen;
  }

  function probes() {
    return [["readiness", picture.readiness], ["liveness", picture.liveness]].filter(([, samples]) => samples.length);
  }

  function draw() {
    colors = palette();
    const wide = layers.clientWidth;
    const narrow = wide < 560;
    left = narrow ? 8 : 184;
    width = wide - left - 10;
    const head = narrow ? 16 : 0;
    tops = [];
    let y = ROOM + 22;
    const probeTops = probes().map(() => { const top = y + head; y += 16 + head; return top; });
    if (probeTops.length) y += 6;
    for (const lane of lanes) { tops.push(y + head); y += lane.height + 10 + head; }
    let socketTop = null;
    if (picture.sockets.length) { socketTop = y + head; y += Math.min(Math.max(picture.sockets.length * 2, 14), 100) + 10 + head; }
    total = y + FOOT;
    const pen = size(canvas, wide, total);
    size(over, wide, total);
    pen.clearRect(0, 0, wide, total);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    const label = (words, top, height) => {
      pen.fillStyle = colors.dim;
      pen.textAlign = narrow ? "left" : "right";
      if (narrow) pen.fillText(words, left, top - 8); else pen.fillText(words, left - 10, top + height / 2, left - 14);
    };
    // The axis.
    const step = tick((to - from) / Math.max(width / 90, 2));
    pen.textAlign = "center";
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
      pen.fillStyle = colors.line;
      pen.fillRect(x(at), ROOM + 14, 1, total - ROOM - 14 - FOOT);
      pen.fillStyle = colors.dim;
      const words = Math.abs(at) < 1e-9 ? "0" : step >= 1000 ? at / 1000 + " s" : step >= 1 ? Math.round(at) + " ms" : at.toFixed(1) + " ms";
      pen.fillText(words, Math.min(Math.max(x(at), left + 14), left + width - 16), ROOM + 6);
    }
    pen.save();
    pen.beginPath();
    pen.rect(left, 0, width, total);
    pen.clip();
    // When the prover stood still.
    pen.fillStyle = colors["bar-stall"];
    for (const [began, ended] of picture.stalls) pen.fillRect(x(began), ROOM + 16, Math.max(x(ended) - x(began), 1), total);
    probes().forEach(([, samples], index) => {
      samples.forEach(([moment, isGood], at) => {
        const next = at + 1 < samples.length ? samples[at + 1][0] : Math.min(picture.exit_ms, moment + 100);
        if (next < from || moment > to) return;
        pen.fillStyle = isGood ? colors.good : colors.warn;
        // A look that is not good is half as high: colour alone does not tell it.
        pen.fillRect(x(moment), probeTops[index] + (isGood ? 0 : 6), Math.max(x(next) - x(moment), 1.5), isGood ? 12 : 6);
      });
    });
    const bars = picture.requests;
    // What is lost is drawn last, and never thinner than can be seen.
    for (const isLast of [false, true]) {
      lanes.forEach((lane, index) => {
        const high = Math.max(lane.step - (lane.step > 3 ? 1 : 0.4), 0.8);
        lane.rows.forEach((row, line) => {
          for (const bar of row) {
            const ending = bars.ending[bar];
            if (isLost(ending) !== isLast) continue;
            const begin = bars.began_ms[bar];
            if (begin > to || end(bar) < from) continue;
            pen.fillStyle = colors["bar-" + COLOR_OF[ending]];
            const least = isLast ? 3 : 0.8;
            const tall = isLast ? Math.max(high, 3) : high;
            pen.fillRect(x(begin), tops[index] + line * lane.step - (tall - high) / 2, Math.max(x(end(bar)) - x(begin), least), tall);
          }
        });
      });
    }
    if (socketTop !== null) {
      const rowHeight = Math.min(Math.max(picture.sockets.length * 2, 14), 100) / picture.sockets.length;
      picture.sockets.forEach(([opened, ended, isCut], line) => {
        pen.fillStyle = isCut ? colors["bar-lost"] : colors["bar-socket"];
        pen.fillRect(x(opened), socketTop + line * rowHeight, Math.max(x(ended) - x(opened), 1), Math.max(rowHeight - 0.5, 0.8));
      });
    }
    pen.restore();
    probes().forEach(([name], index) => label(name, probeTops[index], 12));
    lanes.forEach((lane, index) => label(lane.name + (lane.lost ? " · " + lane.lost + " lost" : ""), tops[index], lane.height));
    if (socketTop !== null) label("websocket", socketTop, Math.min(Math.max(picture.sockets.length * 2, 14), 100));
    // Signal, the listener's close, exit. Where two are near each other the later takes another line.
    const marks = picture.signals_ms.map((at, n) => [at, n ? "signal " + (n + 1) : report.signal, colors.accent]);
    const off = probes().length && picture.readiness.find(([at, isGood]) => at >= 0 && !isGood);
    if (off) marks.push([off[0], "readiness off", colors.warn]);
    if (picture.listener_closed_ms !== null) marks.push([picture.listener_closed_ms, "listener closed", colors.dim]);
    marks.push([picture.exit_ms, picture.exit, picture.is_clean ? colors.good : colors.bad]);
    const ends = [-1e9, -1e9];
    marks.sort((a, b) => a[0] - b[0]).filter(([at]) => at >= from && at <= to).forEach(([at, words, color]) => {
      const px = x(at);
      pen.fillStyle = color;
      pen.fillRect(px - 0.75, 0, 1.5, total - FOOT);
      const wideWords = pen.measureText(words).width + 8;
      const start = Math.min(px + 4, left + width - wideWords);
      const line = ends[0] <= start ? 0 : ends[1] <= start ? 1 : -1;
      if (line < 0) return;
      ends[line] = start + wideWords;
      pen.fillStyle = colors.sheet;
      pen.fillRect(start - 1, line * 13, wideWords - 4, 13);
      pen.fillStyle = color;
      pen.textAlign = "left";
      pen.fillText(words, start, 7 + line * 13);
    });
    latencies.draw(picture, from, to, left, width, colors, size);
  }

  /** The bar at a place, or the lost one nearest to it, or -1: by lane, row and halving. */
  function find(px, py) {
    let best = -1, near = 6;
    const bars = picture.requests;
    lanes.forEach((lane, index) => {
      if (py < tops[index] - 3 || py > tops[index] + lane.height + 3) return;
      const line = (py - tops[index]) / lane.step;
      const reach = Math.ceil(4 / lane.step);
      for (let row = Math.max(0, Math.floor(line) - reach); row <= Math.min(lane.rows.length - 1, Math.floor(line) + reach); row++) {
        const list = lane.rows[row];
        let low = 0, high = list.length;
        const moment = ms(px);
        while (low < high) { const middle = (low + high) >> 1; if (bars.began_ms[list[middle]] <= moment) low = middle + 1; else high = middle; }
        for (const at of [low - 1, low]) {
          if (at < 0 || at >= list.length) continue;
          const bar = list[at];
          const dx = px < x(bars.began_ms[bar]) ? x(bars.began_ms[bar]) - px : px > x(end(bar)) ? px - x(end(bar)) : 0;
          const dy = Math.abs(line - row - 0.5) * lane.step;
          const far = Math.max(dx, dy - lane.step / 2) - (isLost(bars.ending[bar]) ? 3 : 0);
          if (far < near) { near = far; best = bar; }
        }
      }
    });
    return best;
  }

  function place(bar) {
    const index = lanes.findIndex((lane) => lane.name === picture.loads[picture.requests.load[bar]]);
    const row = lanes[index].rows.findIndex((list) => list.includes(bar));
    return [x(picture.requests.began_ms[bar]), tops[index] + row * lanes[index].step, lanes[index].step];
  }

  function point(bar) {
    const pen = over.getContext("2d");
    pen.clearRect(0, 0, over.width, over.height);
    if (bar < 0) { hide(); return; }
    const bars = picture.requests;
    const [px, py, high] = place(bar);
    pen.strokeStyle = colors.ink;
    pen.lineWidth = 1.5;
    pen.strokeRect(px - 2, py - 2, Math.max(x(end(bar)) - px, 2) + 4, Math.max(high, 2) + 4);
    const lost = isLost(bars.ending[bar]);
    const stands = bars.stands_for && bars.stands_for[bar] > 1 ? " · one of " + Math.round(bars.stands_for[bar]) + " like it" : "";
    tip.replaceChildren(
      make("b", { class: lost ? "lost" : "" }, (lost ? "Lost: " : "") + picture.loads[bars.load[bar]] + " " + bars.client[bar] + ", request " + bars.number[bar]), make("br"),
      "from " + at(bars.began_ms[bar]) + " to " + at(end(bar)) + ", " + time(bars.took_ms[bar]) + (bars.reused[bar] ? " · reused connection" : " · fresh connection") + stands, make("br"), story(bar));
    tip.hidden = false;
    // Towards the middle, so that nothing has to be measured: that would lay out the page at each move.
    const isLeft = px < left + width / 2;
    const edge = Math.max(isLeft ? px + 12 : left + width - px + 6, 6);
    tip.style.left = isLeft ? Math.min(edge, left + width / 2) + "px" : "auto";
    tip.style.right = isLeft ? "auto" : Math.min(edge, width / 2) + "px";
    tip.style.top = py + high + 16 + "px";
  }
  function hide() {
    tip.hidden = true;
    over.getContext("2d").clearRect(0, 0, over.width, over.height);
  }
  function choose(index, isFar) {
    if (!lostBars.length) return;
    chosen = (index + lostBars.length) % lostBars.length;
    const bar = lostBars[chosen];
    if (end(bar) < from || picture.requests.began_ms[bar] > to) {
      const span = to - from;
      from = end(bar) - span / 2; to = from + span;
      draw();
    }
    point(bar);
    if (isFar) canvas.scrollIntoView({ block: "nearest" });
  }

  let dragged = null;
  layers.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const px = event.clientX - box.left, py = event.clientY - box.top;
    if (dragged) {
      const [first, last] = bounds();
      const span = dragged.to - dragged.from;
      from = Math.max(first, Math.min(dragged.from - ((px - dragged.px) / width) * span, last - span));
      to = from + span;
      hide();
      draw();
      return;
    }
    point(find(px, py));
  });
  layers.addEventListener("pointerleave", hide);
  layers.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") return;
    dragged = { px: event.clientX - canvas.getBoundingClientRect().left, from, to };
    layers.setPointerCapture(event.pointerId);
  });
  layers.addEventListener("pointerup", () => { dragged = null; });
  layers.addEventListener("pointercancel", () => { dragged = null; });
  layers.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.3 : 1 / 1.3, ms(event.clientX - canvas.getBoundingClientRect().left));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const acts = { ArrowRight: () => choose(chosen + 1), ArrowDown: () => choose(chosen + 1), ArrowLeft: () => choose(chosen < 0 ? -1 : chosen - 1), ArrowUp: () => choose(chosen < 0 ? -1 : chosen - 1), "+": () => zoom(0.5), "-": () => zoom(2), 0: whole, Escape: hide };
    const act = acts[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  window.addEventListener("resize", draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  window.addEventListener("beforeprint", () => { document.querySelectorAll("details").forEach((it) => { it.open = true; }); draw(); });
  window.addEventListener("afterprint", draw);
  return { section, begin: () => show(Math.max(pictures.findIndex((it) => it.lost > 0), 0)) };
}

/** A round step of at least so many milliseconds. */
function tick(least) {
  const power = Math.pow(10, Math.floor(Math.log10(least)));
  return [1, 2, 5, 10].map((it) => it * power).find((it) => it >= least);
}

// ---- how long answers took

const latencies = { canvas: null, draw() {} };

function latency() {
  const rows = report.latency;
  if (!rows.length) return null;
  const PARTS = [["before-signal", "before the signal"], ["stopping", "while it stopped"], ["after-exit", "after it"]];
  const parts = PARTS.filter(([part]) => rows.some((it) => it.part === part));
  const keys = [...new Map(rows.map((it) => [it.rtt_ms + " " + it.load, it])).values()];
  const table = make("table", { class: "plain" },
    make("thead", {},
      make("tr", {}, make("td"), make("td"), parts.map(([, words]) => make("th", { class: "group", colspan: "4", scope: "colgroup" }, words))),
      make("tr", {}, make("th", { class: "words", scope: "col" }, "load"), make("th", { scope: "col" }, "round trip"),
        parts.flatMap(() => ["answers", "p50", "p99", "longest"].map((it, n) => make("th", { scope: "col", class: n ? "" : "first" }, it))))),
    make("tbody", {}, keys.map((key) => {
      const of = (part) => rows.find((it) => it.part === part && it.load === key.load && it.rtt_ms === key.rtt_ms);
      const before = of("before-signal");
      return make("tr", {}, make("th", { class: "words", scope: "row" }, key.load), make("td", {}, key.rtt_ms + " ms"),
        parts.flatMap(([part]) => {
          const it = of(part);
          if (!it) return [0, 1, 2, 3].map((n) => make("td", { class: n ? "" : "first" }, "–"));
          // What is slow on purpose, such as an upload that was half sent at the signal, is not slow because of it.
          const isQuick = !["slow", "upload", "download", "events", "h2 events", "grpc stream"].includes(key.load);
          const worse = (name) => isQuick && part !== "before-signal" && before && it[name] > before[name] * 4 && it[name] > before[name] + 50;
          return [make("td", { class: "first" }, number(it.answers)), ...["p50_ms", "p99_ms", "max_ms"].map((name) =>
            make("td", { class: worse(name) ? "worse" : "" }, time(it[name])))];
        }));
    })));
  const canvas = make("canvas", { role: "img", "aria-label": "How long each answer of the shutdown above took, by when it ended; the table below has the figures." });
  const layers = make("div", { class: "layers" }, canvas);
  latencies.draw = (picture, from, to, left, width, colors, size) => {
    const wide = layers.clientWidth, high = 150, foot = 18;
    const pen = size(canvas, wide, high + foot);
    pen.clearRect(0, 0, wide, high + foot);
    const bars = picture.requests;
    const answered = [...bars.ending.keys()].filter((it) => [0, 1, 8, 9].includes(bars.ending[it]));
    const x = (ms) => left + ((ms - from) / (to - from)) * width;
    let least = Infinity, most = 1;
    for (const bar of answered) { const took = Math.max(bars.took_ms[bar], 0.05); if (took < least) least = took; if (took > most) most = took; }
    const low = Math.log10(least === Infinity ? 0.1 : least) - 0.1, top = Math.log10(most) + 0.1;
    const y = (took) => high - ((Math.log10(Math.max(took, 0.05)) - low) / (top - low)) * (high - 8);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    for (let power = Math.ceil(low); power <= top; power++) {
      pen.fillStyle = colors.line;
      pen.fillRect(left, y(10 ** power), width, 1);
      pen.fillStyle = colors.dim;
      pen.textAlign = left < 50 ? "left" : "right";
      pen.fillText(power >= 3 ? 10 ** (power - 3) + " s" : 10 ** power + " ms", left < 50 ? left + 2 : left - 10, left < 50 ? y(10 ** power) - 7 : y(10 ** power));
    }
    pen.globalAlpha = 0.55;
    for (const bar of answered) {
      const ended = bars.began_ms[bar] + bars.took_ms[bar];
      if (ended < from || ended > to) continue;
      pen.fillStyle = colors["bar-" + COLOR_OF[bars.ending[bar]]];
      pen.fillRect(x(ended) - 1, y(bars.took_ms[bar]) - 1, 2, 2);
    }
    pen.globalAlpha = 1;
    // The median of each slice of about twelve pixels.
    const slices = new Map();
    for (const bar of answered) {
      const ended = bars.began_ms[bar] + bars.took_ms[bar];
      if (ended < from || ended > to) continue;
      const slice = Math.floor((x(ended) - left) / 12);
      if (!slices.has(slice)) slices.set(slice, []);
      slices.get(slice).push(bars.took_ms[bar]);
    }
    pen.fillStyle = colors.ink;
    for (const [slice, took] of slices) pen.fillRect(left + slice * 12, y(median(took)) - 1, 11, 2);
    for (const [moment, color] of [[0, colors.accent], [picture.exit_ms, picture.is_clean ? colors.good : colors.bad]]) {
      if (moment >= from && moment <= to) { pen.fillStyle = color; pen.fillRect(x(moment) - 0.75, 0, 1.5, high); }
    }
  };
  return make("section", { "aria-labelledby": "latency" }, make("h2", { id: "latency" }, "How long answers took"),
    make("p", { class: "dim" }, "A dot is an answer of the shutdown above, on a logarithmic scale; a line is the median of its slice of time. The table is of all shutdowns under load."),
    make("div", { class: "sheet" }, report.pictures.length ? make("div", { class: "stage" }, layers) : null, make("div", { class: "scroll" }, table)));
}

// ---- every round

function rounds() {
  const table = make("table", { class: "plain" },
    make("thead", {}, make("tr", {}, ["round", "kind", "round trip", "ready after", "signal to exit", "exit", "requests", "lost", "took"].map((it, n) =>
      make("th", { scope: "col", class: n === 1 || n === 5 ? "words" : "" }, it)))),
    make("tbody", {}, report.all_rounds.map((it) => make("tr", {},
      make("td", {}, it.number), make("td", { class: "words" }, it.kind), make("td", {}, it.rtt_ms + " ms"), make("td", {}, time(it.ready_ms)),
      make("td", {}, time(it.signal_to_exit_ms)), make("td", { class: "words" }, it.how), make("td", {}, number(it.requests)),
      make("td", { class: it.lost ? "worse" : "" }, number(it.lost)), make("td", {}, time(it.took_ms))))));
  return make("section", { "aria-labelledby": "rounds" }, make("h2", { id: "rounds" }, "Every start and stop"), make("div", { class: "sheet scroll" }, table));
}

const drawn = timeline();
document.getElementById("report").append(...[banner(), figures(), verdicts(), drawn && drawn.section, latency(), rounds(),
  make("footer", {}, "lameduck " + report.version + " · " + report.made_at + " · took " + time(report.took_ms) +
    " · made by ", make("code", {}, "lameduck check --html"), ". Its data is the JSON block at the end of this page.")].filter(Boolean));
if (drawn) drawn.begin();
