// Small repairs of the theme's markup for screen readers and keyboards. Checked by tests/browser with axe-core.
document.addEventListener("DOMContentLoaded", () => {
  // A visible text and a different aria-label contradict each other: the visible text is the better name.
  for (const e of document.querySelectorAll(".search-button-field, details.hide > summary, .nav-link[aria-label]"))
    e.removeAttribute("aria-label");
  for (const e of document.querySelectorAll(".theme-switch-button")) e.setAttribute("aria-label", "Colour mode");
  // The sidebar's first block lies outside every landmark.
  const start = document.querySelector(".sidebar-primary-items__start");
  if (start && !start.closest("nav, aside, [role]")) {
    start.setAttribute("role", "complementary");
    start.setAttribute("aria-label", "Book");
  }
  // What scrolls sideways must be reachable by keyboard. Only what really overflows gets a tab stop.
  const boxes = ".pst-scrollable-table-container, div.math, mjx-container[display], div.highlight pre, .cell_output pre";
  const scrollers = () => {
    for (const e of document.querySelectorAll(boxes))
      if (e.scrollWidth > e.clientWidth + 1) e.tabIndex = 0;
      else if (e.tabIndex === 0) e.removeAttribute("tabindex");
  };
  addEventListener("load", () => (window.MathJax?.startup?.promise ?? Promise.resolve()).then(scrollers));
  addEventListener("resize", scrollers);
  addEventListener("toggle", scrollers, true); // a fold that opens may hold something wide
});
