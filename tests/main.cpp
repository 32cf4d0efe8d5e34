// The main of every test program. doctest's own; what fails a test that ran nothing is in CMakeLists.txt beside this.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
