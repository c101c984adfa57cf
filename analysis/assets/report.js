// Below 640 px the legend moves under the plot, and dragging scrolls the page instead of zooming.
(function () {
  "use strict";
  function fit(spec, width) {
    var narrow = width < 640, layout = JSON.parse(JSON.stringify(spec.layout));
    var shown = spec.data.filter(function (trace) { return trace.name && trace.showlegend !== false; });
    layout.autosize = true;
    layout.width = undefined;
    layout.height = spec.layout.height || Math.max(560, 150 + 21 * shown.length);
    if (narrow) {
      var lengths = shown.map(function (trace) { return trace.name.length; });
      var longest = Math.max.apply(null, [6].concat(lengths));
      var entry = Math.round(5.7 * longest) + 2;
      var rows = Math.ceil(shown.length / Math.max(1, Math.floor((width - 60) / (entry + 46)))) + 1;
      var legend = shown.length === 0 ? 0 : 21 * rows + 16;
      layout.height = spec.layout.height || 400 + legend;
      layout.margin = Object.assign({}, layout.margin, { l: 44, r: 8 });
      var old = layout.legend || {};
      layout.legend = Object.assign({}, old, { orientation: "h", x: 0, xanchor: "left", xref: "container",
        y: 0, yref: "container", yanchor: "bottom", entrywidth: entry, entrywidthmode: "pixels",
        maxheight: Math.max(2, legend), font: { size: 11 },
        title: Object.assign({}, old.title, { side: "top" }) });
      layout.dragmode = false;
      layout.font = { size: 12 };
    }
    return layout;
  }
  function draw(node) {
    var spec = JSON.parse(document.getElementById(node.dataset.figure).textContent);
    var narrow = node.clientWidth < 640;
    var config = { displaylogo: false, responsive: false, displayModeBar: narrow ? false : "hover",
      modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };
    node.dataset.narrow = narrow;
    return Plotly.newPlot(node, spec.data, fit(spec, node.clientWidth), config);
  }
  var nodes = Array.prototype.slice.call(document.querySelectorAll(".plot"));
  nodes.forEach(draw);
  var waiting;
  window.addEventListener("resize", function () {
    clearTimeout(waiting);
    waiting = setTimeout(function () {
      nodes.forEach(function (node) {
        if (String(node.clientWidth < 640) !== node.dataset.narrow) { draw(node); }
        else { Plotly.Plots.resize(node); }
      });
    }, 120);
  });
})();
