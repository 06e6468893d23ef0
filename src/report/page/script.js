"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);
  const { policies, preferences } = data;

  /* Numbers as the page is written with. */
  const dollars = (usd) => {
    const size = Math.abs(usd);
    return usd.toFixed(size >= 100 ? 1 : size >= 1 ? 2 : size >= 0.01 ? 4 : size === 0 ? 0 : 6);
  };
  const weight = (w) => w.toFixed(w >= 100 ? 0 : w >= 10 ? 1 : w >= 1 ? 2 : w === 0 ? 0 : 4);
  const absent = "\u2013";

  /* Tables sort by what is shown or, where it is there, by the exact value; rows without one stay last. */
  const value = (cell) => {
    const words = cell.textContent.trim();
    const number = cell.dataset.v !== undefined ? Number(cell.dataset.v) : Number(words);
    return words !== "" && !Number.isNaN(number) ? number : cell.classList.contains("n") ? null : words;
  };
  const compare = (a, b, sign) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  };
  for (const table of all("table.sort")) {
    const headings = all("thead th", table);
    headings.forEach((heading, column) => {
      if (["x", "r", "u"].some((kind) => heading.classList.contains(kind))) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const falls = heading.getAttribute("aria-sort");
        const first = heading.classList.contains("n") ? "descending" : "ascending";
        const order = falls === null ? first : falls === "ascending" ? "descending" : "ascending";
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", order);
        sort(table, column, order === "ascending" ? 1 : -1);
      });
    });
  }
  function sort(table, column, sign) {
    for (const body of table.tBodies) {
      const rows = [...body.rows].map((row) => [value(row.cells[column]), row]);
      rows.sort((a, b) => compare(a[0], b[0], sign));
      body.append(...rows.map(([, row]) => row));
    }
  }
  const sortAgain = (table) => {
    const headings = all("thead th", table);
    const column = headings.findIndex((heading) => heading.hasAttribute("aria-sort"));
    if (column > 0) sort(table, column, headings[column].getAttribute("aria-sort") === "ascending" ? 1 : -1);
  };

  /* Bars. */
  const names = data.models;
  function bar(mix) {
    const holder = document.createElement("span");
    holder.className = "mix";
    holder.setAttribute("role", "img");
    const words = [];
    for (let k = 0; k < mix.length; k += 2) {
      const [rank, share] = [mix[k], mix[k + 1]];
      const depth = rank / Math.max(names.length - 1, 1);
      const part = document.createElement("i");
      part.className = depth > 0.45 ? "m1" : "m0";
      part.style.setProperty("--t", depth.toFixed(2));
      part.style.width = share / 10 + "%";
      part.title = `${names[rank]} ${(share / 10).toFixed(1)} %`;
      if (share >= 120) part.textContent = names[rank];
      words.push(part.title);
      holder.append(part);
    }
    const rest = 1000 - mix.reduce((sum, share, k) => sum + (k % 2 ? share : 0), 0);
    if (rest >= 6 && mix.length) {
      const part = document.createElement("i");
      part.className = "rest";
      part.style.width = rest / 10 + "%";
      part.title = `others ${(rest / 10).toFixed(1)} %`;
      holder.append(part);
    }
    holder.setAttribute("aria-label", words.join(", "));
    return holder;
  }

  /* Charts: whose group is whose, and where values lie. */
  const hidden = new Set();
  const plots = all("svg.plot[data-kind]").map((svg, at) => {
    const kind = svg.dataset.kind;
    const owners = kind === "pareto" ? data.inPareto : data.inUtility;
    all("[data-curve]", svg).forEach((group) => { group.dataset.policy = owners[group.dataset.curve]; });
    const { x, y, width } = data.geometries[at];
    const along = (axis, number) => {
      if (axis.log && number <= 0) return number === 0 ? axis.zero : null;
      const share = axis.log
        ? Math.log(number / axis.low) / Math.log(axis.high / axis.low)
        : (number - axis.low) / (axis.high - axis.low);
      return axis.start + share * (axis.end - axis.start);
    };
    const inside = (px, py) =>
      px !== null && py !== null && px >= Math.min(x.start, x.zero ?? x.start) - 1 && px <= x.end + 1 && py >= y.end - 1 && py <= y.start + 1;
    const place = (policy, step) => {
      const { points, utilities } = policies[policy];
      const point = points[Math.min(step, points.length - 1)];
      const pair = kind === "pareto" ? [point[1], point[0]] : [preferences[step], utilities[step]];
      if (pair[1] === null || pair[1] === undefined) return null;
      const at = [along(x, pair[0]), along(y, pair[1])];
      return inside(...at) ? at : null;
    };
    return { svg, kind, owners, place, width };
  });

  const tip = document.getElementById("tip");
  function tell(plot, policy, step, at) {
    const { name, points, utilities } = policies[policy];
    const [score, cost] = points[Math.min(step, points.length - 1)];
    const words = [points.length > 1 ? `w = ${weight(preferences[step])}` : "", `score ${score.toFixed(4)}`, `$${dollars(cost)} per 1,000 prompts`];
    if (plot.kind === "utility") words.push(`normalised utility ${utilities[step].toFixed(3)}`);
    const title = document.createElement("b");
    title.textContent = name;
    tip.replaceChildren(title, words.filter(Boolean).join(" \u00b7 "));
    tip.hidden = false;
    const frame = plot.svg.getBoundingClientRect();
    const scale = frame.width / plot.width;
    const left = frame.left + at[0] * scale + 14;
    const top = frame.top + at[1] * scale + 14;
    tip.style.left = Math.max(4, Math.min(left, innerWidth - tip.offsetWidth - 8)) + "px";
    tip.style.top = (top + tip.offsetHeight > innerHeight ? top - tip.offsetHeight - 28 : top) + "px";
    plot.svg.classList.add("picking");
    all("[data-policy]", plot.svg).forEach((group) => group.classList.toggle("picked", Number(group.dataset.policy) === policy));
  }
  function still(plot) {
    tip.hidden = true;
    plot.svg.classList.remove("picking");
  }
  for (const plot of plots) {
    const shown = () => plot.owners.filter((policy) => !hidden.has(policy));
    const steps = (policy) => (policies[policy].points.length > 1 ? preferences.length : 1);
    plot.svg.addEventListener("pointermove", (event) => {
      const frame = plot.svg.getBoundingClientRect();
      const scale = plot.width / frame.width;
      const [px, py] = [(event.clientX - frame.left) * scale, (event.clientY - frame.top) * scale];
      let nearest = null;
      let least = 18 * Math.max(scale, 1);
      for (const policy of shown()) {
        for (let step = 0; step < steps(policy); step++) {
          const at = plot.place(policy, step);
          const distance = at ? Math.hypot(at[0] - px, at[1] - py) : Infinity;
          if (distance < least) [least, nearest] = [distance, [policy, step, at]];
        }
      }
      if (nearest) tell(plot, ...nearest);
      else still(plot);
    });
    plot.svg.addEventListener("pointerleave", () => still(plot));
    plot.svg.addEventListener("blur", () => still(plot));
    plot.svg.tabIndex = 0;
    plot.svg.setAttribute("role", "application");
    plot.svg.setAttribute("aria-roledescription", "chart; arrow keys move along and between curves");
    const cursor = { policy: data.leader, step: data.opensAt };
    plot.svg.addEventListener("keydown", (event) => {
      const turn = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
      if (event.key === "Escape") return still(plot);
      const candidates = shown();
      if (!turn || candidates.length === 0) return;
      event.preventDefault();
      const place = candidates.indexOf(cursor.policy);
      cursor.policy = candidates[(Math.max(place, 0) + turn[1] + candidates.length) % candidates.length];
      cursor.step = Math.min(cursor.step, steps(cursor.policy) - 1);
      let step = cursor.step;
      do step += turn[0]; while (turn[0] && step >= 0 && step < steps(cursor.policy) && !plot.place(cursor.policy, step));
      if (step >= 0 && step < steps(cursor.policy)) cursor.step = step;
      const at = plot.place(cursor.policy, cursor.step);
      if (at) tell(plot, cursor.policy, cursor.step, at);
    });
  }

  /* Switches. */
  const legend = one(".legend:not(.plain)");
  if (legend) {
    const buttons = all("li", legend).map((item) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...item.childNodes);
      item.append(button);
      const policy = Number(item.dataset.policy);
      button.addEventListener("click", () => {
        if (!hidden.delete(policy)) hidden.add(policy);
        draw();
      });
      return [policy, button];
    });
    const item = document.createElement("li");
    const every = document.createElement("button");
    every.type = "button";
    every.className = "all";
    item.append(every);
    legend.append(item);
    every.addEventListener("click", () => {
      const none = hidden.size === 0;
      hidden.clear();
      if (none) buttons.forEach(([policy]) => policy !== data.leader && hidden.add(policy));
      draw();
    });
    const draw = () => {
      every.textContent = hidden.size === 0 ? `only ${policies[data.leader].name}` : "show all";
      buttons.forEach(([policy, button]) => button.setAttribute("aria-pressed", String(!hidden.has(policy))));
      for (const { svg } of plots) {
        all("[data-policy]", svg).forEach((group) => group.classList.toggle("off", hidden.has(Number(group.dataset.policy))));
      }
      rings(step);
    };
    var redraw = draw;
  }

  /* The dial. */
  let step = data.opensAt;
  let router = data.leader;
  function rings(at) {
    for (const { svg, owners, place } of plots) {
      all(".ring", svg).forEach((ring) => {
        const policy = owners[Number(ring.dataset.ring)];
        const spot = hidden.has(policy) || policies[policy].points.length === 1 ? null : place(policy, at);
        ring.classList.toggle("on", spot !== null);
        if (spot) {
          ring.setAttribute("cx", spot[0]);
          ring.setAttribute("cy", spot[1]);
        }
      });
    }
  }
  function put(cell, words, number) {
    cell.textContent = words;
    if (number !== undefined) cell.dataset.v = number;
  }
  function mixes() {
    const table = document.getElementById("mixes");
    for (const row of all("tbody tr", table)) {
      const { points, utilities, mixes } = policies[Number(row.dataset.policy)];
      const [score, cost] = points[Math.min(step, points.length - 1)];
      const [, scoreCell, costCell, utilityCell] = row.cells;
      put(scoreCell, score.toFixed(4), score);
      if (data.hasCost) {
        put(costCell, dollars(cost), cost);
        put(utilityCell, utilities[step] === null ? absent : utilities[step].toFixed(3));
      }
      if (mixes.length) row.cells[row.cells.length - 1].replaceChildren(bar(mixes[step]));
    }
    sortAgain(table);
  }
  function benchmarks() {
    const stop = data.stops.reduce((best, at, k) => (Math.abs(at - step) < Math.abs(data.stops[best] - step) ? k : best), 0);
    all("output.wb").forEach((output) => { output.textContent = `w = ${weight(preferences[data.stops[stop]])}`; });
    const table = document.getElementById("benchmarks");
    for (const row of all("tbody tr", table)) {
      const [score, cost, needless, prompts, few, mix] = data.traffic[router][stop][Number(row.dataset.benchmark)];
      const cells = row.cells;
      put(cells[4], score.toFixed(4));
      put(cells[6], few === null ? absent : few.toFixed(3));
      if (data.hasCost) {
        put(cells[7], dollars(cost));
        put(cells[8], needless.toFixed(1));
        put(cells[9], prompts.toFixed(1));
      }
      cells[cells.length - 1].replaceChildren(bar(mix));
    }
    sortAgain(table);
  }
  /* Tables that are wider than the page say so. */
  for (const frame of all(".scroll")) {
    const more = document.createElement("p");
    more.className = "more";
    more.textContent = "\u2194 the table goes on to the right";
    frame.before(more);
    const look = () => {
      const left = frame.scrollWidth - frame.clientWidth - frame.scrollLeft;
      const isWide = frame.scrollWidth > frame.clientWidth + 1;
      frame.classList.toggle("wide", isWide);
      frame.classList.toggle("end", left <= 1);
      more.hidden = !isWide;
    };
    frame.addEventListener("scroll", look, { passive: true });
    if (window.ResizeObserver) new ResizeObserver(look).observe(frame);
    look();
  }
  const dial = document.getElementById("dial");
  if (dial) {
    dial.closest(".dial").hidden = false;
    const turn = () => {
      step = Number(dial.value);
      const words = `w = ${weight(preferences[step])}`;
      all("output.w").forEach((output) => { output.textContent = words; });
      dial.setAttribute("aria-valuetext", words);
      mixes();
      benchmarks();
      rings(step);
    };
    dial.addEventListener("input", turn);
    dial.value = step;
    dial.setAttribute("aria-valuetext", `w = ${weight(preferences[step])}`);
  }
  const select = one(".choose select");
  if (select) {
    one(".choose b").hidden = true;
    select.hidden = false;
    select.value = router;
    select.addEventListener("change", () => {
      router = Number(select.value);
      benchmarks();
    });
  }
  if (redraw) redraw();
})();
