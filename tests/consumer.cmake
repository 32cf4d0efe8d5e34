# An embedder's project built against the install: installs into the build folder, then configures, builds and runs
# consumer/ with nothing but find_package(vitq), and again with nothing but pkg-config. It carries our compiler and
# flags, or sanitized libraries would not link.
set(prefix ${CMAKE_CURRENT_BINARY_DIR}/consumer-prefix)
set(build ${CMAKE_CURRENT_BINARY_DIR}/consumer-build)
set(model ${PROJECT_SOURCE_DIR}/weights/builtin/vit_cifar10.w8a8.safetensors)
set(picture ${PROJECT_SOURCE_DIR}/examples/airplane.png)
separate_arguments(flags UNIX_COMMAND "${CMAKE_CXX_FLAGS}")

add_test(NAME consumer/clean COMMAND ${CMAKE_COMMAND} -E rm -rf ${prefix} ${build})
add_test(NAME consumer/install COMMAND ${CMAKE_COMMAND} --install ${PROJECT_BINARY_DIR} --prefix ${prefix})
add_test(NAME consumer/cmake
         COMMAND ${CMAKE_CTEST_COMMAND} --build-and-test ${CMAKE_CURRENT_SOURCE_DIR}/consumer ${build}
                 --build-generator ${CMAKE_GENERATOR}
                 --build-options -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}
                                 -DCMAKE_CXX_FLAGS=${CMAKE_CXX_FLAGS} -DCMAKE_C_FLAGS=${CMAKE_CXX_FLAGS}
                                 -DCMAKE_BUILD_TYPE=${CMAKE_BUILD_TYPE} -DVITQ_MODEL=${model} -DVITQ_PICTURE=${picture}
                 --test-command ${CMAKE_CTEST_COMMAND} --output-on-failure)
add_test(NAME consumer/pkg_config
         COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/consumer/pkg_config.sh ${prefix} ${CMAKE_INSTALL_LIBDIR} ${model} ${picture}
                 ${CMAKE_CXX_COMPILER} ${flags})
# What a stranger can link to, and include, is what include/vitq states.
add_test(NAME consumer/shows_only_what_is_public
         COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/consumer/shown.sh ${prefix} ${CMAKE_INSTALL_LIBDIR} ${PROJECT_SOURCE_DIR})

set_tests_properties(consumer/clean PROPERTIES FIXTURES_SETUP consumer_clean)
set_tests_properties(consumer/install PROPERTIES FIXTURES_REQUIRED consumer_clean FIXTURES_SETUP consumer_installed)
set_tests_properties(consumer/cmake consumer/pkg_config consumer/shows_only_what_is_public
                     PROPERTIES FIXTURES_REQUIRED consumer_installed TIMEOUT 300)
