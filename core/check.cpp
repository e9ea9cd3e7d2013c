#include "core/check.h"

#include <sstream>

namespace lf {
namespace {

template <class T>
void print_as_usual(std::ostream& out, const void* value) {
  out << *static_cast<const T*>(value);
}

}  // namespace

#define LF_PRINT_VALUE(T)                                      \
  template <>                                                  \
  void print_value<T>(std::ostream & out, const void* value) { \
    print_as_usual<T>(out, value);                             \
  }
LF_PRINT_VALUE(std::string)
LF_PRINT_VALUE(std::string_view)
LF_PRINT_VALUE(char)
LF_PRINT_VALUE(bool)
LF_PRINT_VALUE(int)
LF_PRINT_VALUE(unsigned)
LF_PRINT_VALUE(long)
LF_PRINT_VALUE(unsigned long)
LF_PRINT_VALUE(float)
LF_PRINT_VALUE(double)
#undef LF_PRINT_VALUE

MessagePart::MessagePart(const char* part)
    : value(part),
      print([](std::ostream& out, const void* from) { out << static_cast<const char*>(from); }) {}

std::string joined_parts(std::initializer_list<MessagePart> parts) {
  std::ostringstream out;
  for (const MessagePart& part : parts) part.print(out, part.value);
  return out.str();
}

}  // namespace lf
