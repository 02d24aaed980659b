// The same numbers as in tutorlib.explore.film.
const CELL = 8, CLOUD = 260, RADIUS = 115, LEFT = 44, RIGHT = 348, TOP = 14, BOTTOM = 168, LOW = -3, HIGH = 1, SHADES = 5;
const CURVES = ["kl", "with_these_maps", "with_late_maps"], FIRST = 10, PAUSE = 900;

function map(frame) {
  return frame.map.map((row, question) => row.map((weight, place) => weight === 0 ? "" :
    `<rect class="${place % 2 ? "value" : "key"}" x="${CELL * place}" y="${CELL * question}" width="7" height="7" opacity="${Math.sqrt(weight / 100).toFixed(2)}"></rect>`).join("")).join("");
}

function cloud(frame, shade) {
  const paths = Array(SHADES).fill("");
  frame.points.forEach(([x, y], i) => { paths[shade[i]] += `M${(CLOUD / 2 + RADIUS * x / 1000).toFixed(1)} ${(CLOUD / 2 - RADIUS * y / 1000).toFixed(1)}h0`; });
  return paths.map((d, which) => `<path class="dots c${which}" d="${d}"></path>`).join("");
}

const height = bits => BOTTOM - (BOTTOM - TOP) * ((Math.min(HIGH, Math.max(LOW, Math.log10(bits))) - LOW) / (HIGH - LOW));

function marks(frames, which) {
  const x = (LEFT + (RIGHT - LEFT) * which / (frames.length - 1)).toFixed(1);
  return `<path class="now" d="M${x} ${TOP}V${BOTTOM}"></path>` +
    CURVES.map(name => `<circle class="mark ${name}" cx="${x}" cy="${height(frames[which][name]).toFixed(1)}" r="${name === "kl" ? 6 : 4}"></circle>`).join("");
}

function said(frame) {
  const number = (name, digits) => `<data class="${name}" value="${frame[name]}">${frame[name].toFixed(digits)}</data>`;
  return `<p>After <b>${frame.step}</b> steps. KL to exact: ${number("kl", 4)} bits. This moment’s attention in the finished network: ` +
    `${number("with_these_maps", 4)} bits. The finished attention in this moment’s network: ${number("with_late_maps", 4)} bits.</p>` +
    `<p>Attention on values: ${number("on_values", 2)}. PC1 and entropy: |ρ| = ${number("rho", 2)}.</p>`;
}

function mount(root, data) {
  const find = selector => root.querySelector(selector), frames = data.frames, last = frames.length - 1;
  let which = FIRST, timer = null;

  function draw() {
    const frame = frames[which], slider = find("input");
    find(".map").innerHTML = map(frame);
    find(".cloud").innerHTML = cloud(frame, data.shade);
    find(".marks").innerHTML = marks(frames, which);
    find(".said").innerHTML = said(frame);
    slider.value = which;
    slider.setAttribute("aria-valuetext", `step ${frame.step}`);
    find("label .value").textContent = `step ${frame.step}`;
    find('[data-do="play"]').textContent = timer === null ? "Play" : "Pause";
    find('[data-do="back"]').disabled = which === 0;
    find('[data-do="on"]').disabled = which === last;
  }

  // While it runs, a screen reader is not made to read every frame.
  function pause() {
    clearInterval(timer);
    timer = null;
    find(".said").setAttribute("aria-live", "polite");
  }

  function play() {
    if (which === last) which = 0;
    find(".said").setAttribute("aria-live", "off");
    timer = setInterval(() => {
      if (!root.isConnected) return clearInterval(timer);
      which += 1;
      if (which === last) pause();
      draw();
    }, PAUSE);
  }

  root.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    const what = button.dataset.do, running = timer !== null;
    pause();
    if (what === "play" && !running) play();
    if (what === "back") which = Math.max(0, which - 1);
    if (what === "on") which = Math.min(last, which + 1);
    if (what === "start") which = 0;
    draw();
  });
  root.addEventListener("input", event => { pause(); which = Number(event.target.value); draw(); });
  draw();
}
