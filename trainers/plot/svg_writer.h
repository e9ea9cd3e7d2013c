// SVG elements as text, in colours that read on light and on dark pages: the picture paints its own
// background and follows the reader's colour scheme; programs that know no style sheets show the light one.
#pragma once

#include <string>
#include <string_view>

namespace lf {

enum class Anchor { kStart, kMiddle, kEnd };

// How a text is drawn. `role` is a style class: "title", "text", "muted" or "note" (which has a halo to stay
// readable on top of lines).
struct TextStyle {
  double size = 12;  // pixels
  Anchor anchor = Anchor::kStart;
  const char* role = "text";
  bool bold = false;
  bool upwards = false;  // turned by 90 degrees
};

// How a line is drawn; an empty colour is that of the grid.
struct Stroke {
  std::string color;
  double width = 2;
  double opacity = 1;
};

// The colour of the index-th series; each stands out from white and from black and from its neighbours. Index
// -1 is a neutral grey for legend entries that stand for all series.
std::string series_color(int index);

// A width that the text, in the sans-serif fonts asked for, is unlikely to exceed, in pixels.
double text_width(std::string_view text, double size);

// Escaped for element content and attribute values; control characters that XML forbids become spaces.
std::string escape_xml(std::string_view text);

class SvgWriter {
 public:
  // Starts a picture of that many pixels with its accessible title and description.
  SvgWriter(double width, double height, const std::string& title, const std::string& description);

  void text(double x, double y, const std::string& content, const TextStyle& style);
  void line(double x1, double y1, double x2, double y2, const Stroke& stroke);
  void band(double x, double y, double width, double height);
  void leader(double x1, double y1, double x2, double y2);  // from a point to its label
  void frame(double x, double y, double width, double height);

  // A line through `path`, SVG path data.
  void path(const std::string& path, const Stroke& stroke);

  // A marker about 2 * `radius` wide; shape 0 is a circle, then square, triangle, diamond.
  void marker(double x, double y, int shape, double radius, const std::string& color);

  // What is drawn until end_clip() shows only within the rectangle.
  void begin_clip(double x, double y, double width, double height);
  void end_clip();

  // The whole document.
  std::string finish() const;

 private:
  std::string body_;
  int clips_ = 0;
};

// A coordinate with at most two decimals, whatever the locale.
std::string coordinate(double value);

}  // namespace lf
