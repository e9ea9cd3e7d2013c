#include "data/tasks/classification_hyperpartisan.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_paths.h"
#include "data/byte_source.h"
#include "data/tasks/article_cleaning.h"
#include "data/tasks/distinct_ids.h"
#include "data/tasks/xml_elements.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kArticles = "articles-", kGroundTruth = "ground-truth-";

// The name of the set, X in articles-X.xml; empty for other names.
std::string set_of(const std::string& name, std::string_view begin) {
  if (!name.starts_with(begin)) return "";
  for (const std::string_view ending : {".xml", ".xml.gz", ".zip", ".tar.gz"}) {
    if (name.ends_with(ending)) return name.substr(begin.size(), name.size() - begin.size() - ending.size());
  }
  return "";
}

// The files of a folder whose names begin so, by set. An unpacked file is preferred to a packed one.
std::map<std::string, std::string> files_by_set(const fs::path& folder, std::string_view begin) {
  std::map<std::string, std::string> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string set = set_of(entry.path().filename().string(), begin);
    if (set.empty() || entry.is_directory()) continue;
    std::string& path = found[set];
    if (path.empty() || entry.path().extension() == ".xml") path = entry.path().string();
  }
  return found;
}

std::string id_of(const pugi::xml_node& article, const XmlElements& elements) {
  const std::string id = article.attribute("id").value();
  CHECK(!id.empty(), elements.where(), ": an <article> without id");
  return id;
}

struct Truth {
  std::string label, where;
  bool used = false;
};

std::map<std::string, Truth> read_truth(const std::string& path) {
  std::map<std::string, Truth> truth;
  XmlElements elements(path, "article");
  for (pugi::xml_document element; elements.next(element);) {
    const pugi::xml_node article = element.document_element();
    const std::string id = id_of(article, elements);
    const std::string label = article.attribute("hyperpartisan").value();
    CHECK(label == "true" || label == "false", elements.where(), ": article ", shown(id),
          " has hyperpartisan=", escaped(label), ", needed true or false");
    const auto [found, added] = truth.try_emplace(id, Truth{.label = label, .where = elements.where()});
    CHECK(added, elements.where(), ": article ", shown(id), " is given twice; ", found->second.where,
          " has it too");
  }
  return truth;
}

}  // namespace

HyperpartisanFiles find_hyperpartisan(const std::string& folder_or_articles) {
  const fs::path given = folder_or_articles;
  check_exists(folder_or_articles);
  const fs::path folder = fs::is_directory(given) ? given : given.parent_path();
  const auto truths = files_by_set(folder.empty() ? "." : folder, kGroundTruth);
  std::map<std::string, std::string> articles;
  if (fs::is_directory(given)) {
    articles = files_by_set(folder, kArticles);
    std::string names;
    for (const auto& [set, path] : articles)
      names += (names.empty() ? "" : ", ") + fs::path(path).filename().string();
    CHECK(articles.size() == 1, folder_or_articles,
          ": needed one file articles-*.xml or articles-*.zip, there ",
          articles.empty() ? "is none" : "are " + names + "; name the one that is meant");
  } else {
    articles[set_of(given.filename().string(), kArticles)] = folder_or_articles;
  }
  const auto& [set, path] = *articles.begin();
  const auto truth = truths.find(set);
  CHECK(!set.empty() && truth != truths.end(), path, ": no file ", kGroundTruth, set.empty() ? "*" : set,
        ".xml or .zip beside it; name the file of labels");
  return {.articles = path, .ground_truth = truth->second};
}

std::vector<LabelledDocument> read_articles(const std::string& articles, const ArticleText& options) {
  std::vector<LabelledDocument> documents;
  XmlElements elements(articles, "article");
  for (pugi::xml_document element; elements.next(element);) {
    const pugi::xml_node article = element.document_element();
    const auto cleaned = [&](const std::string& words) {
      return options.clean ? clean_article(words) : words;
    };
    LabelledDocument& document = documents.emplace_back();
    document.id = id_of(article, elements);
    document.where = elements.where();
    document.text = cleaned(text_within(article));
    check_document(document);
    const std::string title = options.title ? cleaned(article.attribute("title").value()) : "";
    if (!title.empty()) document.text = title + "\n" + document.text;
  }
  CHECK(!documents.empty(), articles, ": no <article> is in it");
  check_distinct_ids(documents);
  return documents;
}

std::vector<LabelledDocument> read_hyperpartisan(const HyperpartisanFiles& files,
                                                 const ArticleText& options) {
  std::map<std::string, Truth> truth = read_truth(files.ground_truth);
  std::vector<LabelledDocument> documents = read_articles(files.articles, options);
  for (LabelledDocument& document : documents) {
    const auto found = truth.find(document.id);
    CHECK(found != truth.end(), document.where, ": article ", shown(document.id), " has no label in ",
          files.ground_truth, "; do the two files belong together?");
    document.label = found->second.label;
    found->second.used = true;
  }
  const auto unused =
      std::find_if(truth.begin(), truth.end(), [](const auto& entry) { return !entry.second.used; });
  CHECK(unused == truth.end(), unused->second.where, ": article ", shown(unused->first), " is not in ",
        files.articles, "; do the two files belong together?");
  return documents;
}

}  // namespace lf
