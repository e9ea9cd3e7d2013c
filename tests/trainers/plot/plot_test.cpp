// Charts: ticks and scales, well-formed SVG without overlapping labels, curves from logs, and every error a
// user can meet.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <utility>

#include "core/check.h"
#include "core/files.h"
#include "trainers/plot/attention_figure.h"
#include "trainers/plot/axis_scale.h"
#include "trainers/plot/label_placement.h"
#include "trainers/plot/run_curves.h"
#include "trainers/plot/run_history.h"
#include "trainers/plot/svg_chart.h"
#include "trainers/plot/svg_writer.h"
#include "trainers/run/run_log.h"

namespace lf {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

const double kNan = std::numeric_limits<double>::quiet_NaN();

std::string labels_of(const std::vector<Tick>& ticks) {
  std::string joined;
  for (const Tick& tick : ticks) joined += (joined.empty() || tick.label.empty() ? "" : " ") + tick.label;
  return joined;
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// Checks that tags nest and close and that no raw & or < is left; returns the first fault or "".
std::string xml_fault(const std::string& svg) {
  std::vector<std::string> open;
  size_t at = 0;
  while (at < svg.size()) {
    if (svg[at] == '&') {
      const std::vector<std::string> entities = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
      const bool escaped = std::any_of(entities.begin(), entities.end(), [&](const std::string& e) {
        return svg.compare(at, e.size(), e) == 0;
      });
      if (!escaped) return "raw & at " + std::to_string(at);
    }
    if (svg[at] != '<') {
      ++at;
      continue;
    }
    const size_t end = svg.find('>', at);
    if (end == std::string::npos) return "unclosed tag";
    const std::string tag = svg.substr(at + 1, end - at - 1);
    if (std::count(tag.begin(), tag.end(), '"') % 2 != 0 || tag.find('<') != std::string::npos)
      return "bad " + tag;
    const std::string name = tag.substr(tag[0] == '/', tag.find_first_of(" /", 1) - (tag[0] == '/'));
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return "unexpected </" + tag.substr(1);
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
    at = end + 1;
  }
  return open.empty() ? "" : "never closed: " + open.back();
}

struct Label {
  std::string content;
  Box box;
  double size;
};

// The value of an attribute in the text of a tag, "" where it has none.
std::string attribute_of(const std::string& tag, const std::string& name) {
  const std::string start = " " + name + "=\"";
  const size_t at = tag.find(start);
  if (at == std::string::npos) return "";
  const size_t begin = at + start.size();
  return tag.substr(begin, tag.find('"', begin) - begin);
}

// The texts of a picture and the room they take by the program's own generous estimate.
std::vector<Label> labels_in(const std::string& svg) {
  std::vector<Label> labels;
  for (size_t at = svg.find("<text "); at != std::string::npos; at = svg.find("<text ", at + 1)) {
    const size_t begin = svg.find('>', at) + 1;
    const std::string tag = svg.substr(at, begin - at),
                      content = svg.substr(begin, svg.find('<', begin) - begin);
    const double x = std::stod(attribute_of(tag, "x")), y = std::stod(attribute_of(tag, "y"));
    const double size = std::stod(attribute_of(tag, "font-size")), width = text_width(content, size);
    const std::string anchor = attribute_of(tag, "text-anchor");
    double before = 0;
    if (anchor == "middle") before = width / 2;
    if (anchor == "end") before = width;
    Box box = {x - before, y - 0.75 * size, x - before + width, y + 0.2 * size};
    if (tag.find("rotate(-90") != std::string::npos) {
      box = {x - 0.75 * size, y - width + before, x + 0.2 * size, y + before};
    }
    labels.push_back({content, box, size});
  }
  return labels;
}

void expect_good_picture(const std::string& svg, double width, double height) {
  EXPECT_EQ(xml_fault(svg), "");
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
  const std::vector<Label> labels = labels_in(svg);
  EXPECT_GT(labels.size(), 8u);
  for (size_t i = 0; i < labels.size(); ++i) {
    const Box& a = labels[i].box;
    EXPECT_TRUE(a.left >= 0 && a.top >= 0 && a.right <= width && a.bottom <= height) << labels[i].content;
    for (size_t k = 0; k < i; ++k) {
      const Box& b = labels[k].box;
      EXPECT_FALSE(a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
          << "\"" << labels[i].content << "\" overlaps \"" << labels[k].content << "\"";
    }
  }
}

bool has_label(const std::string& svg, const std::string& content) {
  const std::vector<Label> labels = labels_in(svg);
  return std::any_of(labels.begin(), labels.end(), [&](const Label& l) { return l.content == content; });
}

int count_of(const std::string& content, const std::string& piece) {
  int count = 0;
  for (size_t at = content.find(piece); at != std::string::npos; at = content.find(piece, at + 1)) ++count;
  return count;
}

TEST(AxisScale, LinearTicks) {
  EXPECT_EQ(labels_of(AxisScale(Scale::kLinear, 0, 10).ticks(6)), "0 2 4 6 8 10");
  EXPECT_EQ(labels_of(AxisScale(Scale::kLinear, 1.93, 2.41).ticks(6)), "2.0 2.1 2.2 2.3 2.4");
  EXPECT_EQ(labels_of(AxisScale(Scale::kLinear, -0.2, 0.2).ticks(5)), "-0.2 -0.1 0 0.1 0.2");
  EXPECT_EQ(labels_of(AxisScale(Scale::kLinear, 0, 2400).ticks(5)), "0 1,000 2,000");
  EXPECT_EQ(labels_of(AxisScale(Scale::kLinear, 0, 75000).ticks(9)), "0 10k 20k 30k 40k 50k 60k 70k");
  EXPECT_EQ(labels_of(AxisScale(Scale::kLinear, 0, 2.4e6).ticks(6)), "0 0.5M 1.0M 1.5M 2.0M");
  EXPECT_EQ(labels_of(AxisScale(Scale::kLinear, 0, 3).ticks(12)), "0 0.5 1.0 1.5 2.0 2.5 3.0");
  EXPECT_EQ(labels_of(AxisScale(Scale::kLinear, 0, 3).ticks(12, 1)), "0 1 2 3");
}

TEST(AxisScale, LogarithmicTicks) {
  EXPECT_EQ(labels_of(AxisScale(Scale::kLog2, 1000, 140000).ticks(20)),
            "1,024 2,048 4,096 8,192 16,384 32,768 65,536 131,072");
  EXPECT_EQ(labels_of(AxisScale(Scale::kLog2, 1000, 140000).ticks(4)), "2,048 8,192 32,768 131,072");
  EXPECT_EQ(labels_of(AxisScale(Scale::kLog2, 0.2, 3).ticks(9)), "0.25 0.5 1 2");
  EXPECT_EQ(labels_of(AxisScale(Scale::kLog10, 0.0009, 150).ticks(9)), "0.001 0.01 0.1 1 10 100");
  EXPECT_EQ(labels_of(AxisScale(Scale::kLog10, 9e5, 2e7).ticks(9)), "1M 10M");
  // Too short for powers: ordinary steps.
  EXPECT_EQ(labels_of(AxisScale(Scale::kLog10, 11, 19).ticks(5)), "12 14 16 18");
  const std::vector<Tick> minor = AxisScale(Scale::kLog10, 1, 100).ticks(9);
  EXPECT_EQ(minor.size(), 3u + 16u);
  EXPECT_TRUE(std::is_sorted(minor.begin(), minor.end(), [](auto& a, auto& b) { return a.value < b.value; }));
}

TEST(AxisScale, TicksStayWithinRangeAndNumber) {
  for (const Scale scale : {Scale::kLinear, Scale::kLog10, Scale::kLog2}) {
    for (double low = 1e-5; low < 1e7; low *= 3.7) {
      for (double ratio = 1.0001; ratio < 1e7; ratio *= 2.3) {
        const AxisScale axis(scale, low, low * ratio);
        for (int most = 2; most <= 12; ++most) {
          int labelled = 0;
          for (const Tick& tick : axis.ticks(most)) {
            ASSERT_GE(tick.value, axis.low() * (1 - 1e-6));
            ASSERT_LE(tick.value, axis.high() * (1 + 1e-6));
            labelled += tick.label.empty() ? 0 : 1;
          }
          ASSERT_LE(labelled, most) << low << " to " << low * ratio;
        }
      }
    }
  }
}

TEST(AxisScale, PositionsAndRanges) {
  const AxisScale linear(Scale::kLinear, 2, 4), log(Scale::kLog10, 1, 100);
  EXPECT_DOUBLE_EQ(linear.fraction(2.5), 0.25);
  EXPECT_DOUBLE_EQ(log.fraction(10), 0.5);
  EXPECT_FALSE(log.shows(0));
  EXPECT_FALSE(linear.shows(kNan));
  EXPECT_DOUBLE_EQ(linear.widened(0.5).high(), 5);
  EXPECT_NEAR(log.widened(0.5).high(), 1000, 1e-6);
  EXPECT_DOUBLE_EQ(AxisScale(Scale::kLinear, 3, 3).fraction(3), 0.5);
  EXPECT_DOUBLE_EQ(AxisScale(Scale::kLog2, 8, 8).fraction(8), 0.5);
  EXPECT_THROW(AxisScale(Scale::kLog10, 0, 1), Error);
  EXPECT_THROW(AxisScale(Scale::kLinear, 2, 1), Error);
  EXPECT_THROW(AxisScale(Scale::kLinear, 0, kNan), Error);
}

TEST(SvgWriter, EscapesAndFormats) {
  EXPECT_EQ(escape_xml("run\xE9"), "run\xEF\xBF\xBD");
  EXPECT_EQ(escape_xml("run\uFFFE\uFFFF\uFDD0"), "run\uFFFD\uFFFD\uFDD0");
  EXPECT_EQ(escape_xml("a<b> & \"c\" 'd'\n\x01é"), "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;  é");
  EXPECT_EQ(coordinate(1.005), "1");
  EXPECT_EQ(coordinate(-0.001), "0");
  EXPECT_EQ(coordinate(1234.5), "1234.5");
  EXPECT_EQ(coordinate(100), "100");
  EXPECT_EQ(coordinate(1e300), "1000000");
  EXPECT_NE(series_color(0), series_color(1));
  EXPECT_EQ(series_color(0), series_color(6));
}

TEST(LabelPlacement, LabelsKeepClearOfEachOtherAndStayInside) {
  const Box bounds = {0, 0, 300, 120};
  LabelPlacement placement(bounds);
  std::vector<Box> placed;
  for (int i = 0; i < 6; ++i) placed.push_back(placement.place(280 + i, 60, 60, 14));
  for (size_t i = 0; i < placed.size(); ++i) {
    EXPECT_TRUE(placed[i].left >= 0 && placed[i].right <= 300 && placed[i].top >= 0 &&
                placed[i].bottom <= 120);
    for (size_t k = 0; k < i; ++k) {
      EXPECT_FALSE(placed[i].left < placed[k].right && placed[k].left < placed[i].right &&
                   placed[i].top < placed[k].bottom && placed[k].top < placed[i].bottom);
    }
  }
  LabelPlacement crowded(bounds);
  crowded.avoid({100, 60, 200, 120});
  EXPECT_LE(crowded.place(150, 60, 40, 14).bottom, 60);
}

TEST(SvgChart, DrawsEscapedTextBreaksLinesAtGapsAndThinsLongSeries) {
  Panel panel;
  panel.x.label = "x & y";
  panel.y = {"value <unit>", Scale::kLog10, {}, {}};
  panel.series.push_back(
      {"a < b", {{1, 1}, {2, 10}, {3, kNan}, {4, 0}, {5, 1000}, {6, 10}, {7, kNan}, {8, 5}}});
  Figure figure = {"Title \"quoted\"", "sub", "What & why", {panel}};
  const std::string svg = render_svg(figure);
  EXPECT_EQ(xml_fault(svg), "");
  EXPECT_NE(svg.find("<title id=\"chart-title\">Title &quot;quoted&quot;</title>"), std::string::npos);
  EXPECT_NE(svg.find("<desc id=\"chart-description\">What &amp; why</desc>"), std::string::npos);
  EXPECT_NE(svg.find(">a &lt; b</text>"), std::string::npos);
  const std::string path = attribute_of(svg.substr(svg.find("<path", svg.find("clip-path"))), "d");
  EXPECT_EQ(count_of(path, "M"), 3) << path;
  EXPECT_EQ(count_of(path, "L"), 2) << path;
  EXPECT_EQ(count_of(path, "h0"), 1) << path;

  figure.panels[0].series[0].points.clear();
  for (int i = 1; i <= 200000; ++i)
    figure.panels[0].series[0].points.push_back({i + 0.0, 2 + std::sin(i * 0.7)});
  const std::string thin = render_svg(figure);
  EXPECT_LT(thin.size(), 100000u);
  EXPECT_GT(thin.size(), 20000u);

  figure.panels[0].series[0].points = {{1, -1}, {2, 0}};
  EXPECT_NE(error_of([&] { render_svg(figure); }).find("no point can be shown"), std::string::npos);
}

class PlotRuns : public testing::Test {
 protected:
  PlotRuns() {
    folder_ = std::filesystem::temp_directory_path() / ("longform_plot_" + std::to_string(getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    out_ = (folder_ / "curves.svg").string();
  }
  ~PlotRuns() override { std::filesystem::remove_all(folder_); }

  // A run of several stages whose loss falls and jitters; tests carry no step, as after an evaluation at the
  // end.
  std::string make_run(const std::string& name, const std::vector<int>& stage_steps, double floor) const {
    const std::string run = (folder_ / name).string();
    std::filesystem::create_directories(run);
    RunLog log(run + "/" + kRunLogName);
    int step = 0;
    for (size_t stage = 1; stage <= stage_steps.size(); ++stage) {
      log.write({{"event", "stage_start"}, {"step", step}, {"stage", stage}});
      double bits = 0;
      for (int i = 0; i < stage_steps[stage - 1]; ++i) {
        ++step;
        bits = floor + 5 * std::exp(-step / 80.0) + 0.1 * std::sin(step * 2.3) -
               0.05 * static_cast<double>(stage);
        log.write({{"event", "step"}, {"step", step}, {"stage", stage}, {"bits_per_character", bits}});
        if (i % 50 == 49) {
          log.write({{"event", "validation"},
                     {"step", step},
                     {"stage", stage},
                     {"bits_per_character", bits + 0.1}});
        }
      }
      log.write({{"event", "stage_end"}, {"step", step}, {"stage", stage}});
      log.write({{"event", "test"}, {"stage", stage}, {"bits_per_character", bits + 0.05}});
    }
    return run;
  }

  std::string put_log(const std::string& name, const std::string& content) const {
    const std::string run = (folder_ / name).string();
    std::filesystem::create_directories(run);
    std::ofstream(run + "/" + kRunLogName) << content;
    return run;
  }

  std::string plot_error(const std::string& run) const {
    return error_of([&] { plot_runs({run}, out_); });
  }

  std::filesystem::path folder_;
  std::string out_;
};

TEST_F(PlotRuns, OneRunShowsStagesValidationAndTests) {
  plot_runs({make_run("demo & co", {400, 200, 150, 100, 80}, 2)}, out_);
  const std::string svg = read_file(out_);
  expect_good_picture(svg, 960, 520);
  for (const char* label : {"Training of demo &amp; co", "bits per character", "step", "stage 1", "stage 5",
                            "training", "validation", "test"}) {
    EXPECT_TRUE(has_label(svg, label)) << label;
  }
  EXPECT_EQ(count_of(svg, ">test 2.") + count_of(svg, ">test 1."), 5);
  EXPECT_EQ(count_of(svg, "class=\"band\""), 2) << "every second of five stages is shaded";
  EXPECT_EQ(count_of(svg, "<circle"), 8 + 4 + 3 + 2 + 1 + 1) << "validations and the legend's sample";
}

TEST_F(PlotRuns, SeveralRunsShareAChart) {
  const std::string a = make_run("a", {300, 100}, 2.2), b = make_run("b", {300, 100}, 2),
                    c = make_run("c", {400}, 1.9);
  plot_runs({a, b + "/"}, out_);
  std::string svg = read_file(out_);
  expect_good_picture(svg, 960, 520);
  EXPECT_TRUE(has_label(svg, "Training of 2 runs"));
  EXPECT_TRUE(has_label(svg, "stage 2"));
  EXPECT_NE(svg.find(">a (test 2."), std::string::npos);
  EXPECT_NE(svg.find(">b (test "), std::string::npos);
  plot_runs({a, c}, out_);
  svg = read_file(out_);
  expect_good_picture(svg, 960, 520);
  EXPECT_FALSE(has_label(svg, "stage 2")) << "the runs have different stages";
}

TEST_F(PlotRuns, NarrowStagesAreNamedBrieflyOrNotAtAll) {
  plot_runs({make_run("narrow", {400, 20, 3, 200}, 2)}, out_);
  const std::string svg = read_file(out_);
  expect_good_picture(svg, 960, 520);
  std::vector<std::string> names;
  for (const Label& label : labels_in(svg)) {
    if (label.size == 11) names.push_back(label.content);  // the size that only stages' names have
  }
  EXPECT_EQ(names, (std::vector<std::string>{"stage 1", "2", "stage 4"}));
}

TEST_F(PlotRuns, ReadsHistoryAsLogged) {
  const std::string run = put_log("r", R"({"event":"start"}
{"event":"stage_start","step":0,"stage":"short"}
{"event":"step","step":2,"stage":"short","loss":1.3862943611198906}
{"event":"step","step":4,"stage":"short","loss":"nan","bits_per_character":"nan"}
{"event":"stage_start","step":4,"stage":"long"}
{"event":"step","step":6,"stage":"long","loss":9.0,"bits_per_character":1.5}
{"event":"validation","step":6,"stage":"long","bits_per_character":1.75}
{"event":"test","stage":"short","bits_per_character":2.5}
{"event":"test","stage":"long","step":6,"bits_per_character":1.6}
{"event":"step","st)");
  const RunHistory history = read_run_history(run + "/");
  EXPECT_EQ(history.name, "r");
  ASSERT_EQ(history.training.size(), 3u);
  EXPECT_DOUBLE_EQ(history.training[0].y, 2) << "nats become bits";
  EXPECT_TRUE(std::isnan(history.training[1].y));
  EXPECT_EQ(history.training[2].y, 1.5);
  ASSERT_EQ(history.validation.size(), 1u);
  EXPECT_EQ(history.validation[0].y, 1.75);
  EXPECT_EQ(history.stages, (std::vector<StageSpan>{{"short", 0, 4}, {"long", 4, 6}}));
  ASSERT_EQ(history.tests.size(), 2u);
  EXPECT_EQ(history.tests[0].x, 4) << "a test without a step stands at the end of its stage";
  EXPECT_EQ(history.tests[1].x, 6);
  plot_runs({run}, out_);
  EXPECT_EQ(xml_fault(read_file(out_)), "");
}

TEST_F(PlotRuns, SmoothingAveragesWithinAStageOnly) {
  RunHistory run;
  for (int step = 1; step <= 400; ++step)
    run.training.push_back({step + 0.0, (step <= 200 ? 4.0 : 2.0) + step % 2});
  run.stages = {{"1", 0, 200}, {"2", 200, 400}};
  const std::vector<Point> means = smoothed(run);
  ASSERT_EQ(means.size(), 400u);
  for (int i = 10; i < 199; ++i) EXPECT_NEAR(means[i].y, 4.5, 0.12) << i;
  for (int i = 210; i < 399; ++i) EXPECT_NEAR(means[i].y, 2.5, 0.12) << i;
  EXPECT_EQ(means[200].y, run.training[200].y) << "a stage's first value is its own";
}

TEST_F(PlotRuns, OneStepIsEnough) {
  plot_runs({put_log("one", "{\"event\":\"step\",\"step\":1,\"stage\":1,\"loss\":5.3}\n")}, out_);
  EXPECT_EQ(xml_fault(read_file(out_)), "");
}

TEST_F(PlotRuns, ErrorsSayWhatIsMissingOrDamagedAndWhere) {
  const std::string step = "{\"event\":\"step\",\"step\":1,\"stage\":1,\"loss\":5.3}\n";
  EXPECT_NE(plot_error((folder_ / "absent").string()).find("there is no run folder"), std::string::npos);
  EXPECT_NE(plot_error(folder_.string()).find("has no log.jsonl"), std::string::npos);
  EXPECT_NE(plot_error(put_log("empty", "")).find("no validation to plot"), std::string::npos);
  EXPECT_NE(plot_error(put_log("start", "{\"event\":\"start\"}\n")).find("no validation to plot"),
            std::string::npos);
  EXPECT_NE(
      plot_error(put_log("nan", "{\"event\":\"step\",\"step\":1,\"loss\":\"nan\"}\n")).find("nan or inf"),
      std::string::npos);
  const std::vector<std::pair<std::string, std::string>> damaged = {
      {"garbage\n", "not valid JSON"},
      {"{\"step\":1}\n", "\"event\""},
      {"{\"event\":\"step\",\"loss\":1}\n", "no \"step\""},
      {"{\"event\":\"step\",\"step\":2}\n", "neither \"bits_per_...\" nor \"loss\""},
      {"{\"event\":\"step\",\"step\":2,\"loss\":\"low\"}\n", "loss: expected a number, got \"low\""}};
  for (const auto& [line, expected] : damaged) {
    const std::string message = plot_error(put_log("damaged", step + line + step));
    EXPECT_NE(message.find("log.jsonl:2:"), std::string::npos) << message;
    EXPECT_NE(message.find(expected), std::string::npos) << message;
  }
  EXPECT_FALSE(std::filesystem::exists(out_));
  const std::string good = put_log("good", step);
  EXPECT_NE(error_of([&] { plot_runs({good}, (folder_ / "no" / "out.svg").string()); }).find("out.svg"),
            std::string::npos);
  EXPECT_THROW(plot_runs({}, out_), Error);
}

json measurements(const std::vector<int>& windows) {
  json bench = json::array();
  for (const char* name : {"loop", "full", "fused", "chunks"}) {
    for (const int window : windows) {
      for (int length = 512; length <= 131072; length *= 2) {
        const bool fits = std::string(name) != "full" || length <= 8192;
        const double ms = std::string(name) == "full" ? 1e-5 * length * length : 0.01 * length;
        bench.push_back({{"implementation", name}, {"length", length}, {"window", window}});
        bench.back()["forward_ms"] = fits ? json(ms) : json();
        bench.back()["backward_ms"] = fits ? json(2 * ms) : json();
        bench.back()["peak_bytes"] = fits ? json(length * 5000.0) : json();
      }
    }
  }
  return bench;
}

TEST_F(PlotRuns, AttentionFigureHasTwoPanelsAndOneLinePerImplementation) {
  plot_attention_figure(measurements({512}), out_);
  const std::string svg = read_file(out_);
  expect_good_picture(svg, 1000, 460);
  EXPECT_EQ(count_of(svg, "<clipPath"), 2);
  size_t last = 0;
  for (const char* name : {">fused<", ">chunks<", ">loop<", ">full<"}) {
    EXPECT_EQ(count_of(svg, name), 1) << name;
    EXPECT_GT(svg.find(name), last) << "legend in the paper's order";
    last = svg.find(name);
  }
  EXPECT_TRUE(has_label(svg, "forward and backward, window 512"));
  EXPECT_TRUE(has_label(svg, "milliseconds"));
  EXPECT_TRUE(has_label(svg, "131,072"));

  plot_attention_figure(measurements({256, 1024}), out_);
  const std::string windows = read_file(out_);
  expect_good_picture(windows, 1000, 460);
  EXPECT_EQ(count_of(windows, ">fused, window "), 2);
  EXPECT_EQ(count_of(windows, ">full<"), 1);
  EXPECT_LT(windows.find(">fused, window 256<"), windows.find(">fused, window 1024<"));
}

TEST_F(PlotRuns, AttentionFigureRefusesWhatIsNotABenchmark) {
  EXPECT_THROW(plot_attention_figure(json::array(), out_), Error);
  EXPECT_THROW(plot_attention_figure(json::object(), out_), Error);
  json bench = measurements({512});
  bench[3]["forward_ms"] = "fast";
  EXPECT_NE(
      error_of([&] { plot_attention_figure(bench, out_); }).find("entry 3: forward_ms must be a number"),
      std::string::npos);
  bench = measurements({512});
  bench[1].erase("implementation");
  EXPECT_NE(error_of([&] { plot_attention_figure(bench, out_); }).find("entry 1 has no implementation"),
            std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(out_));
}

}  // namespace
}  // namespace lf
