// SVG text generation; see svg_writer.h.
#include "trainers/plot/svg_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/check.h"
#include "data/tokenizer/utf8.h"

namespace lf {
namespace {

// Presentation attributes hold the light colours; the style sheet replaces them on dark pages.
constexpr const char* kStyleSheet = R"(<style>
  @media (prefers-color-scheme: dark) {
    .background { fill: #0d1117; }
    .title, .text, .note { fill: #e6edf3; }
    .muted { fill: #9da7b3; }
    .note { stroke: #0d1117; }
    .band { fill: #8b949e; }
    .grid { stroke: #30363d; }
    .frame { stroke: #484f58; }
  }
</style>
)";
constexpr const char* kFonts =
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', Helvetica, Arial, sans-serif";
constexpr const char* kBackground = "#ffffff";

std::string attribute(const char* name, double value) {
  return text(" ", name, "=\"", coordinate(value), "\"");
}

const char* anchor_name(Anchor anchor) {
  if (anchor == Anchor::kStart) return "start";
  return anchor == Anchor::kMiddle ? "middle" : "end";
}

std::string rectangle(double x, double y, double width, double height) {
  return "<rect" + attribute("x", x) + attribute("y", y) + attribute("width", width) +
         attribute("height", height);
}

std::string stroke_attributes(const Stroke& stroke) {
  std::string out =
      stroke.color.empty() ? " class=\"grid\" stroke=\"#d0d7de\"" : " stroke=\"" + stroke.color + "\"";
  out += attribute("stroke-width", stroke.width);
  if (stroke.opacity < 1) out += attribute("stroke-opacity", stroke.opacity);
  return out;
}

}  // namespace

std::string coordinate(double value) {
  std::array<char, 64> buffer = {};
  const double bounded = std::clamp(value, -1e6, 1e6);
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), bounded, std::chars_format::fixed, 2);
  std::string digits(buffer.data(), end.ptr);
  digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.back() == '.') digits.pop_back();
  return digits == "-0" ? "0" : digits;
}

std::string series_color(int index) {
  // Contrast of at least 3:1 with both backgrounds; blue and orange first, which all kinds of colour vision
  // separate.
  constexpr std::array colors = {"#2f7ed8", "#d9691e", "#2b9a66", "#a45bd0", "#c9407c", "#8a7a12"};
  return index < 0 ? "#7d8590" : colors[static_cast<size_t>(index) % colors.size()];
}

double text_width(std::string_view text, double size) {
  double ems = 0;
  for (const char c : text) {
    if ((c & 0xC0) == 0x80) continue;  // continuation byte of UTF-8
    if (std::string_view(" .,:;il|'()[]").find(c) != std::string_view::npos) {
      ems += 0.38;
    } else {
      ems += (c >= 'A' && c <= 'Z') || c == 'm' || c == 'w' || c == '%' ? 0.8 : 0.64;
    }
  }
  return ems * size;
}

std::string escape_xml(std::string_view text) {
  std::string out;
  const RepairedText repaired(text);  // names of files may be any bytes
  std::string allowed(repaired.text());
  for (const char* noncharacter : {"\uFFFE", "\uFFFF"}) {  // XML 1.0, section 2.2
    for (size_t at; (at = allowed.find(noncharacter)) != allowed.npos;) allowed.replace(at, 3, "\uFFFD");
  }
  for (const char c : allowed) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
    }
  }
  return out;
}

SvgWriter::SvgWriter(double width, double height, const std::string& title, const std::string& description) {
  body_ = lf::text("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", coordinate(width), " ",
                   coordinate(height), "\"", attribute("width", width), attribute("height", height),
                   " role=\"img\" aria-labelledby=\"chart-title chart-description\" font-family=\"", kFonts,
                   "\">\n", "<title id=\"chart-title\">", escape_xml(title),
                   "</title>\n<desc id=\"chart-description\">", escape_xml(description), "</desc>\n",
                   kStyleSheet);
  body_ += rectangle(0, 0, width, height) + " rx=\"6\" class=\"background\" fill=\"" + kBackground + "\"/>\n";
}

void SvgWriter::text(double x, double y, const std::string& content, const TextStyle& style) {
  const bool note = std::string_view(style.role) == "note";
  const bool muted = std::string_view(style.role) == "muted";
  body_ += "<text" + attribute("x", x) + attribute("y", y) + attribute("font-size", style.size) +
           " class=\"" + style.role + "\" fill=\"" + (muted ? "#57606a" : "#1f2328") + "\"";
  if (style.anchor != Anchor::kStart) body_ += lf::text(" text-anchor=\"", anchor_name(style.anchor), "\"");
  if (style.bold) body_ += " font-weight=\"600\"";
  if (style.upwards) body_ += " transform=\"rotate(-90 " + coordinate(x) + " " + coordinate(y) + ")\"";
  if (note) {
    body_ += lf::text(" stroke=\"", kBackground,
                      "\" stroke-width=\"3\" stroke-linejoin=\"round\" paint-order=\"stroke\"");
  }
  body_ += ">" + escape_xml(content) + "</text>\n";
}

void SvgWriter::line(double x1, double y1, double x2, double y2, const Stroke& stroke) {
  body_ += "<line" + attribute("x1", x1) + attribute("y1", y1) + attribute("x2", x2) + attribute("y2", y2) +
           stroke_attributes(stroke) + "/>\n";
}

void SvgWriter::leader(double x1, double y1, double x2, double y2) {
  line(x1, y1, x2, y2, {series_color(-1), 1});
}

void SvgWriter::band(double x, double y, double width, double height) {
  body_ += rectangle(x, y, width, height) + " class=\"band\" fill=\"#6e7781\" fill-opacity=\"0.1\"/>\n";
}

void SvgWriter::frame(double x, double y, double width, double height) {
  body_ += rectangle(x, y, width, height) + " class=\"frame\" fill=\"none\" stroke=\"#afb8c1\"/>\n";
}

void SvgWriter::path(const std::string& path, const Stroke& stroke) {
  body_ += "<path d=\"" + path + "\" fill=\"none\" stroke-linejoin=\"round\" stroke-linecap=\"round\"" +
           stroke_attributes(stroke) + "/>\n";
}

void SvgWriter::marker(double x, double y, int shape, double radius, const std::string& color) {
  const std::string fill = " fill=\"" + color + "\"/>\n";
  const auto at = [&](double dx, double dy) {
    return coordinate(x + dx * radius) + "," + coordinate(y + dy * radius);
  };
  switch (shape % 4) {
    case 0:
      body_ += "<circle" + attribute("cx", x) + attribute("cy", y) + attribute("r", radius) + fill;
      break;
    case 1:
      body_ += rectangle(x - 0.9 * radius, y - 0.9 * radius, 1.8 * radius, 1.8 * radius) + fill;
      break;
    case 2:
      body_ += "<polygon points=\"" + at(0, -1.2) + " " + at(1.1, 0.8) + " " + at(-1.1, 0.8) + "\"" + fill;
      break;
    default:
      body_ += "<polygon points=\"" + at(0, -1.3) + " " + at(1.3, 0) + " " + at(0, 1.3) + " " + at(-1.3, 0) +
               "\"" + fill;
  }
}

void SvgWriter::begin_clip(double x, double y, double width, double height) {
  const std::string name = lf::text("clip-", clips_++);
  body_ += "<clipPath id=\"" + name + "\">" + rectangle(x, y, width, height) +
           "/></clipPath>\n<g clip-path=\"url(#" + name + ")\">\n";
}

void SvgWriter::end_clip() { body_ += "</g>\n"; }

std::string SvgWriter::finish() const { return body_ + "</svg>\n"; }

}  // namespace lf
