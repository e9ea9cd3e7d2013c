// Layout and drawing of charts; see svg_chart.h.
#include "trainers/plot/svg_chart.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "core/check.h"
#include "trainers/plot/label_placement.h"
#include "trainers/plot/svg_writer.h"

namespace lf {
namespace {

constexpr double kMargin = 20;                                     // around the figure
constexpr double kTitleSize = 18, kSubtitleSize = 13;              // fonts
constexpr double kLabelSize = 13, kTickSize = 12, kBandSize = 11;  // fonts
constexpr double kBandStrip = 18;                                  // above the plot, for the bands' names
constexpr double kMarkerRadius = 4;

// A panel's plotting area in pixels and what its axes cover.
struct Plot {
  Box box;
  AxisScale x, y;

  double width() const { return box.right - box.left; }
  double height() const { return box.bottom - box.top; }
  bool shows(const Point& point) const { return x.shows(point.x) && y.shows(point.y); }
  bool contains(const Point& point) const {
    const auto within = [](double fraction) { return fraction >= -1e-9 && fraction <= 1 + 1e-9; };
    return shows(point) && within(x.fraction(point.x)) && within(y.fraction(point.y));
  }
  double pixel_x(double value) const { return box.left + x.fraction(value) * width(); }
  double pixel_y(double value) const { return box.bottom - y.fraction(value) * height(); }
  Point pixel(const Point& point) const { return {pixel_x(point.x), pixel_y(point.y)}; }
};

// The range that an axis covers, given a way to read the coordinate and whether a point can be shown.
template <class Coordinate>
AxisScale fit_axis(const Axis& axis, const Panel& panel, const std::string& what, Coordinate coordinate) {
  const AxisScale probe(axis.scale, 1, 2);
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const Series& series : panel.series) {
    for (const Point& point : series.points) {
      const double value = coordinate(point);
      if (!probe.shows(value)) continue;
      low = std::min(low, value), high = std::max(high, value);
    }
  }
  CHECK(low <= high, "chart \"", panel.title, "\": no point can be shown on its ", what, " axis");
  const AxisScale roomy = AxisScale(axis.scale, low, high).widened(0.04);
  return {axis.scale, axis.low.value_or(roomy.low()), axis.high.value_or(roomy.high())};
}

double widest_label(const std::vector<Tick>& ticks) {
  double widest = 0;
  for (const Tick& tick : ticks) widest = std::max(widest, text_width(tick.label, kTickSize));
  return widest;
}

// As many ticks as fit beside each other.
std::vector<Tick> horizontal_ticks(const AxisScale& scale, const Axis& axis, double width) {
  const double least_step = axis.whole ? 1 : 0;
  for (int most = 12; most > 2; --most) {
    std::vector<Tick> ticks = scale.ticks(most, least_step);
    const auto labelled =
        std::count_if(ticks.begin(), ticks.end(), [](const Tick& t) { return !t.label.empty(); });
    if (static_cast<double>(labelled) * (widest_label(ticks) + 14) <= width) return ticks;
  }
  return scale.ticks(2, least_step);
}

std::vector<Tick> vertical_ticks(const AxisScale& scale, const Axis& axis, double height) {
  return scale.ticks(static_cast<int>(height / 42), axis.whole ? 1 : 0);
}

// Keeps the first, lowest, highest and last point of every pixel column: what is left looks the same, however
// many steps the run had.
std::vector<Point> thin_out(const std::vector<Point>& pixels) {
  std::vector<Point> kept;
  for (size_t begin = 0; begin < pixels.size();) {
    size_t end = begin, lowest = begin, highest = begin;
    for (; end < pixels.size() && std::floor(pixels[end].x) == std::floor(pixels[begin].x); ++end) {
      if (pixels[end].y < pixels[lowest].y) lowest = end;
      if (pixels[end].y > pixels[highest].y) highest = end;
    }
    for (const size_t index : std::set<size_t>{begin, lowest, highest, end - 1})
      kept.push_back(pixels[index]);
    begin = end;
  }
  return kept;
}

// The unbroken stretches of a series, in pixels.
std::vector<std::vector<Point>> stretches(const Series& series, const Plot& plot) {
  std::vector<std::vector<Point>> all(1);
  for (const Point& point : series.points) {
    if (plot.shows(point)) {
      all.back().push_back(plot.pixel(point));
    } else if (!all.back().empty()) {
      all.emplace_back();
    }
  }
  for (std::vector<Point>& stretch : all) stretch = thin_out(stretch);
  return all;
}

bool has_line(const Series& series) { return series.style != SeriesStyle::kMarkers; }
bool has_markers(const Series& series) {
  return series.style == SeriesStyle::kMarkers || series.style == SeriesStyle::kLineAndMarkers;
}

// Many markers must not hide what is behind them.
double marker_radius(const Series& series) {
  if (series.points.size() <= 60) return kMarkerRadius;
  return series.points.size() <= 200 ? 0.75 * kMarkerRadius : 0.5 * kMarkerRadius;
}

Stroke stroke_of(const Series& series) {
  if (series.style == SeriesStyle::kFaintLine) return {series_color(series.color), 1, 0.35};
  return {series_color(series.color), 2, 1};
}

void draw_line(SvgWriter& svg, const Series& series, const Plot& plot) {
  std::string path;
  for (const std::vector<Point>& stretch : stretches(series, plot)) {
    char command = 'M';
    for (const Point& pixel : stretch) {
      path += command + coordinate(pixel.x) + ' ' + coordinate(pixel.y);
      command = 'L';
    }
    // A line of no length has round ends, so that a single point is seen.
    if (stretch.size() == 1) path += "h0";
  }
  if (!path.empty()) svg.path(path, stroke_of(series));
}

void draw_series(SvgWriter& svg, const Panel& panel, const Plot& plot) {
  svg.begin_clip(plot.box.left, plot.box.top, plot.width(), plot.height());
  for (const Series& series : panel.series) {
    if (has_line(series)) draw_line(svg, series, plot);
  }
  svg.end_clip();
  for (const Series& series : panel.series) {
    if (!has_markers(series)) continue;
    for (const Point& point : series.points) {
      if (!plot.contains(point)) continue;
      svg.marker(plot.pixel_x(point.x), plot.pixel_y(point.y), series.marker, marker_radius(series),
                 series_color(series.color));
    }
  }
}

void draw_bands(SvgWriter& svg, const Panel& panel, const Plot& plot) {
  bool shaded = false;
  for (const Band& band : panel.bands) {
    const double from = std::max(band.from, plot.x.low()), to = std::min(band.to, plot.x.high());
    if (from >= to) continue;
    const double left = plot.pixel_x(from), width = plot.pixel_x(to) - left;
    if (shaded) svg.band(left, plot.box.top - kBandStrip, width, plot.height() + kBandStrip);
    shaded = !shaded;
    for (const std::string& label : {band.label, band.short_label}) {
      if (label.empty() || text_width(label, kBandSize) > width - 4) continue;
      svg.text(left + width / 2, plot.box.top - 5, label, {kBandSize, Anchor::kMiddle, "muted"});
      break;
    }
  }
}

void draw_axes(SvgWriter& svg, const Panel& panel, const Plot& plot, double left_edge) {
  for (const Tick& tick : horizontal_ticks(plot.x, panel.x, plot.width())) {
    const double x = plot.pixel_x(tick.value);
    svg.line(x, plot.box.top, x, plot.box.bottom, {"", tick.label.empty() ? 0.4 : 0.8});
    if (tick.label.empty()) continue;
    svg.text(x, plot.box.bottom + 18, tick.label, {kTickSize, Anchor::kMiddle, "muted"});
  }
  for (const Tick& tick : vertical_ticks(plot.y, panel.y, plot.height())) {
    const double y = plot.pixel_y(tick.value);
    svg.line(plot.box.left, y, plot.box.right, y, {"", tick.label.empty() ? 0.4 : 0.8});
    if (tick.label.empty()) continue;
    svg.text(plot.box.left - 8, y + 0.35 * kTickSize, tick.label, {kTickSize, Anchor::kEnd, "muted"});
  }
  svg.frame(plot.box.left, plot.box.top, plot.width(), plot.height());
  svg.text((plot.box.left + plot.box.right) / 2, plot.box.bottom + 40, panel.x.label,
           {kLabelSize, Anchor::kMiddle});
  svg.text(left_edge + kLabelSize, (plot.box.top + plot.box.bottom) / 2, panel.y.label,
           {kLabelSize, Anchor::kMiddle, "text", false, true});
}

// What notes should not cover: every marker, and the lines in pieces a few pixels long.
void avoid_series(LabelPlacement& placement, const Panel& panel, const Plot& plot) {
  constexpr double kPiece = 4;
  for (const Series& series : panel.series) {
    for (const std::vector<Point>& stretch : stretches(series, plot)) {
      for (size_t i = 0; i < stretch.size(); ++i) {
        const Point to = stretch[i];
        const double reach = has_markers(series) ? marker_radius(series) : 1;
        placement.avoid({to.x - reach, to.y - reach, to.x + reach, to.y + reach});
        if (i == 0 || series.style != SeriesStyle::kLine) continue;
        const Point from = stretch[i - 1];
        const double pieces = std::ceil(std::min(1000.0, std::hypot(to.x - from.x, to.y - from.y) / kPiece));
        for (double piece = 1; piece < pieces; ++piece) {
          const double x = std::lerp(from.x, to.x, piece / pieces),
                       y = std::lerp(from.y, to.y, piece / pieces);
          placement.avoid({x - 2, y - 2, x + 2, y + 2});
        }
      }
    }
  }
}

void draw_notes(SvgWriter& svg, const Panel& panel, const Plot& plot) {
  if (panel.notes.empty()) return;
  constexpr double kInset = 3;
  LabelPlacement placement(
      {plot.box.left + kInset, plot.box.top + kInset, plot.box.right - kInset, plot.box.bottom - kInset});
  avoid_series(placement, panel, plot);
  for (const ChartNote& note : panel.notes) {
    // A label right beside another note's point would seem to belong to that one.
    const Point p = plot.pixel(note.point);
    placement.avoid({p.x - 12, p.y - 12, p.x + 12, p.y + 12});
  }
  for (const ChartNote& note : panel.notes) {
    if (!plot.contains(note.point)) continue;
    const Point p = plot.pixel(note.point);
    const Box box = placement.place(p.x, p.y, text_width(note.text, kTickSize), kTickSize + 2);
    const Point near = {std::clamp(p.x, box.left, box.right), std::clamp(p.y, box.top, box.bottom)};
    if (std::hypot(near.x - p.x, near.y - p.y) > 12) svg.leader(p.x, p.y, near.x, near.y);
    svg.text((box.left + box.right) / 2, box.bottom - 3.5, note.text,
             {kTickSize, Anchor::kMiddle, "note", true});
  }
}

void draw_panel(SvgWriter& svg, const Panel& panel, const Box& area) {
  Plot plot = {area, fit_axis(panel.x, panel, "x", [](const Point& p) { return p.x; }),
               fit_axis(panel.y, panel, "y", [](const Point& p) { return p.y; })};
  if (!panel.title.empty()) plot.box.top += 26;
  if (!panel.bands.empty()) plot.box.top += kBandStrip;
  plot.box.bottom -= 46;  // tick labels and the axis label
  plot.box.left += widest_label(vertical_ticks(plot.y, panel.y, plot.height())) + 32;
  plot.box.right -= 14;  // half of the last tick label
  draw_bands(svg, panel, plot);
  draw_axes(svg, panel, plot, area.left);
  draw_series(svg, panel, plot);
  draw_notes(svg, panel, plot);
  if (panel.title.empty()) return;
  svg.text((plot.box.left + plot.box.right) / 2, area.top + 14, panel.title,
           {kLabelSize + 1, Anchor::kMiddle, "text", true});
}

// Draws the names of all panels' series from `top` on and returns where the legend ends.
double draw_legend(SvgWriter& svg, const Figure& figure, double top) {
  constexpr double kGap = 22, kRow = 22;
  std::set<std::string> named;
  double x = kMargin, y = top;
  for (const Panel& panel : figure.panels) {
    for (const Series& series : panel.series) {
      if (series.name.empty() || !named.insert(series.name).second) continue;
      const double sample = has_line(series) ? 26 : 2 * kMarkerRadius;
      const double width = sample + 8 + text_width(series.name, kTickSize) + kGap;
      if (x > kMargin && x + width > figure.width - kMargin) x = kMargin, y += kRow;
      const double middle = y + kRow / 2;
      if (has_line(series)) {
        svg.path("M" + coordinate(x) + " " + coordinate(middle) + "h" + coordinate(sample),
                 stroke_of(series));
      }
      if (has_markers(series)) {
        svg.marker(x + sample / 2, middle, series.marker, kMarkerRadius, series_color(series.color));
      }
      svg.text(x + sample + 8, middle + 0.35 * kTickSize, series.name, {kTickSize});
      x += width;
    }
  }
  return named.empty() ? top : y + kRow;
}

}  // namespace

std::string render_svg(const Figure& figure) {
  CHECK(!figure.panels.empty(), "chart \"", figure.title, "\": has no panel");
  SvgWriter svg(figure.width, figure.height, figure.title, figure.description);
  double top = kMargin + kTitleSize - 4;
  svg.text(kMargin, top, figure.title, {kTitleSize, Anchor::kStart, "title", true});
  if (!figure.subtitle.empty()) {
    top += kSubtitleSize + 8;
    svg.text(kMargin, top, figure.subtitle, {kSubtitleSize, Anchor::kStart, "muted"});
  }
  top = draw_legend(svg, figure, top + 8) + 10;
  const auto count = static_cast<double>(figure.panels.size());
  const double width = (figure.width - 2 * kMargin - (count - 1) * kMargin) / count;
  double left = kMargin;
  for (const Panel& panel : figure.panels) {
    draw_panel(svg, panel, {left, top, left + width, figure.height - 12});
    left += width + kMargin;
  }
  return svg.finish();
}

}  // namespace lf
