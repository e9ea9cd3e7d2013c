// longform prepare documents, a verb below prepare.
#pragma once

#include <CLI/CLI.hpp>

namespace lf::cli {

void add_prepare_documents(CLI::App& prepare);

}  // namespace lf::cli
