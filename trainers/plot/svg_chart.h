// Line charts as SVG: one or more panels side by side under a common title and legend, with linear or
// logarithmic axes, shaded bands (stages) and notes at points that avoid each other and the lines.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trainers/plot/axis_scale.h"

namespace lf {

struct Point {
  double x = 0;
  double y = 0;  // a value the axis cannot show interrupts the line
};

enum class SeriesStyle { kLine, kFaintLine, kMarkers, kLineAndMarkers };

struct Series {
  std::string name;  // in the legend; an empty name stays out of it
  std::vector<Point> points;
  SeriesStyle style = SeriesStyle::kLine;
  int color = 0;   // as in series_color()
  int marker = 0;  // as in SvgWriter::marker()
};

struct Axis {
  std::string label;
  Scale scale = Scale::kLinear;
  std::optional<double> low, high;  // where not given, the range of the points and a margin
  bool whole = false;               // only whole numbers get ticks
};

// A stretch of the x axis, named above the plot by the longer of its labels that fits, if one does.
struct Band {
  double from = 0, to = 0;
  std::string label, short_label;
};

// A text beside a point.
struct ChartNote {
  Point point;
  std::string text;
};

struct Panel {
  std::string title;
  Axis x, y;
  std::vector<Series> series;
  std::vector<Band> bands;
  std::vector<ChartNote> notes;
};

struct Figure {
  std::string title, subtitle;
  std::string description;  // what the picture shows, for readers who cannot see it
  std::vector<Panel> panels;
  double width = 960, height = 520;  // pixels
};

// The figure as an SVG document; an Error where a panel has no point that its axes can show.
std::string render_svg(const Figure& figure);

}  // namespace lf
