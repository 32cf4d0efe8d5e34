# An embedder's project built against the install: installs into the build folder, then configures, builds and runs
# consumer/ with nothing but find_package(vitq). It carries our compiler and flags, or sanitized libraries would not link.
set(prefix ${CMAKE_CURRENT_BINARY_DIR}/consumer-prefix)
set(build ${CMAKE_CURRENT_BINARY_DIR}/consumer-build)

add_test(NAME consumer/clean COMMAND ${CMAKE_COMMAND} -E rm -rf ${prefix} ${build})
add_test(NAME consumer/install COMMAND ${CMAKE_COMMAND} --install ${PROJECT_BINARY_DIR} --prefix ${prefix})
add_test(NAME consumer/builds_and_runs
         COMMAND ${CMAKE_CTEST_COMMAND} --build-and-test ${CMAKE_CURRENT_SOURCE_DIR}/consumer ${build}
                 --build-generator ${CMAKE_GENERATOR}
                 --build-options -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}
                                 -DCMAKE_CXX_FLAGS=${CMAKE_CXX_FLAGS} -DCMAKE_BUILD_TYPE=${CMAKE_BUILD_TYPE}
                 --test-command consumer)

set_tests_properties(consumer/clean PROPERTIES FIXTURES_SETUP consumer_clean)
set_tests_properties(consumer/install PROPERTIES FIXTURES_REQUIRED consumer_clean FIXTURES_SETUP consumer_installed)
set_tests_properties(consumer/builds_and_runs PROPERTIES FIXTURES_REQUIRED consumer_installed TIMEOUT 300)
