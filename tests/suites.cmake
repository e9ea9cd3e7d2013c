# Lists the tests of a program for ctest, one entry per suite; `cmake -P` runs it when the program has been built:
# PROGRAM, its FOLDER, the FILE to write, and ALONE: the tests that need a process of their own. Under the
# sanitizers a process takes a third of a second to start, which is more than most tests take.
#
# The entry `Suite.*` stands for the suite's tests, and `Some/Suite.Test/*` for the instances of one. A test with
# Slow in its name is an entry by itself, so that it can be left out, and so is every one of ALONE.
cmake_minimum_required(VERSION 3.25)

set(ENV{ASAN_OPTIONS} "detect_leaks=0:$ENV{ASAN_OPTIONS}")  # a list is no test
execute_process(COMMAND ${PROGRAM} --gtest_list_tests WORKING_DIRECTORY ${FOLDER} OUTPUT_VARIABLE listed
  TIMEOUT 300 COMMAND_ERROR_IS_FATAL ANY)
string(REGEX REPLACE " *#[^\n]*" "" listed "${listed}")  # the values of parameters
string(REGEX MATCHALL "[^\n]+" lines "${listed}")

set(entries "")
foreach(line ${lines})
  if(line MATCHES "^([A-Za-z0-9_/]+)\\.$")
    set(suite ${CMAKE_MATCH_1})
  elseif(NOT line MATCHES DISABLED_ AND line MATCHES "^  ([A-Za-z0-9_]+)(/?)([A-Za-z0-9_/]*)$")
    set(entry ${suite}.*)
    if(CMAKE_MATCH_2)
      set(entry ${suite}.${CMAKE_MATCH_1}/*)
    endif()
    set(test ${suite}.${CMAKE_MATCH_1}${CMAKE_MATCH_2}${CMAKE_MATCH_3})
    if(test IN_LIST ALONE OR test MATCHES Slow)
      list(APPEND entries ${test})
      set(tests_${test} 1)
      string(APPEND left_out_${entry} :${test})
    else()
      list(APPEND entries ${entry})
      math(EXPR tests_${entry} "${tests_${entry}} + 1")
    endif()
  endif()
endforeach()
list(REMOVE_DUPLICATES entries)

set(content "")
foreach(entry ${entries})
  set(filter ${entry})
  if(left_out_${entry})
    string(REGEX REPLACE "^:" "-" left_out "${left_out_${entry}}")
    string(APPEND filter ${left_out})
  endif()
  # Skipped is what has nothing but skipped tests and no report after them. What takes long comes first.
  string(APPEND content
    "add_test([[${entry}]] [[${PROGRAM}]] [[--gtest_filter=${filter}]])\n"
    "set_tests_properties([[${entry}]] PROPERTIES WORKING_DIRECTORY [[${FOLDER}]] TIMEOUT 1800"
    " COST ${tests_${entry}} SKIP_REGULAR_EXPRESSION [[\\[  PASSED  \\] 0 tests\\.\n"
    "\\[  SKIPPED \\] [0-9]+ tests?, listed below:\n(\\[  SKIPPED \\] [^\n]*\n)*$]])\n")
endforeach()
foreach(test ${ALONE})
  if(NOT test IN_LIST entries)
    message(FATAL_ERROR "${test} is to run in a process of its own, but there is no such test")
  endif()
endforeach()
file(WRITE ${FILE} "${content}")
