// longform prepare documents, a verb below prepare.
#pragma once

#include "cli/verb.h"

namespace lf::cli {

void add_prepare_documents(const Verb& prepare);

}  // namespace lf::cli
