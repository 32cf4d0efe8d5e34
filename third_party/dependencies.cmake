# Finds every library that vitq uses. Nothing is downloaded or copied; tested versions are in README.md beside this file.
# Defines the targets DNNL::dnnl, OpenMP::OpenMP_CXX, Stb::stb, libjpeg-turbo::jpeg, libzip::zip,
# nlohmann_json::nlohmann_json, CURL::libcurl, Eigen3::Eigen and, where tests or benchmarks are on, doctest::doctest and benchmark::benchmark.

# vitq_require(FOUND NAME PACKAGE PURPOSE): stops with one line that says what to install.
function(vitq_require found name package purpose)
  if(NOT found)
    message(FATAL_ERROR "${name} not found; vitq needs it for ${purpose}. "
                        "On Debian: apt-get install ${package} (./setup.sh build does it). "
                        "Elsewhere: point CMAKE_PREFIX_PATH at it.")
  endif()
endfunction()

# oneDNN. Its version file calls 2.x and 3.x incompatible with each other; engine/gemm/matmul.cpp is written for both.
# vitq uses no OpenCL, but the CMake package of a oneDNN built with it (Debian's) stops where OpenCL is not found.
find_package(OpenCL QUIET)
if(NOT OpenCL_FOUND)
  message(NOTICE "OpenCL not found. If oneDNN asks for it below, as Debian's does: apt-get install ocl-icd-opencl-dev")
endif()
find_package(dnnl CONFIG QUIET)
vitq_require("${dnnl_FOUND}" "oneDNN 2.6 or newer" libdnnl-dev "matrix products")
if(dnnl_VERSION VERSION_LESS 2.6)
  message(FATAL_ERROR "oneDNN ${dnnl_VERSION} found in ${dnnl_DIR}, but vitq needs 2.6 or newer: "
                      "point dnnl_DIR at a newer one.")
endif()

find_package(OpenMP QUIET COMPONENTS CXX)
vitq_require("${OpenMP_CXX_FOUND}" OpenMP g++ "threads")

# Its own interface, libjpeg's: TurboJPEG's does not tell a missing end marker from missing rows. Debian's CMake package
# of it comes with libturbojpeg0-dev, which vitq does not use otherwise.
find_package(libjpeg-turbo CONFIG QUIET)
vitq_require("${libjpeg-turbo_FOUND}" "libjpeg-turbo" "libturbojpeg0-dev libjpeg62-turbo-dev" "decoding JPEG pictures")

# Debian's CMake package of it also wants the programs of zipcmp, zipmerge and ziptool, which vitq does not use.
find_package(libzip 1.7 CONFIG QUIET)
vitq_require("${libzip_FOUND}" "libzip 1.7 or newer" "libzip-dev zipcmp zipmerge ziptool" "PyTorch checkpoints")

# stb has no CMake package. SYSTEM: its warnings are not ours.
find_path(STB_INCLUDE_DIR stb/stb_image.h)
mark_as_advanced(STB_INCLUDE_DIR)
vitq_require("${STB_INCLUDE_DIR}" stb_image.h libstb-dev "decoding pictures")
if(NOT TARGET Stb::stb)
  add_library(Stb::stb INTERFACE IMPORTED)
  target_include_directories(Stb::stb SYSTEM INTERFACE ${STB_INCLUDE_DIR})
endif()

find_package(nlohmann_json 3.9 CONFIG QUIET)
vitq_require("${nlohmann_json_FOUND}" "nlohmann_json 3.9 or newer" nlohmann-json3-dev "safetensors headers")

find_package(CURL 7.85 QUIET)
vitq_require("${CURL_FOUND}" "libcurl 7.85 or newer" libcurl4-openssl-dev "downloading weights (vitq pull)")

find_package(Eigen3 3.4 CONFIG QUIET)
vitq_require("${Eigen3_FOUND}" "Eigen 3.4" libeigen3-dev "the Cholesky factor of GPTQ")

if(VITQ_TESTS)
  find_package(doctest 2.4 CONFIG QUIET)
  vitq_require("${doctest_FOUND}" "doctest 2.4" doctest-dev "the tests (VITQ_TESTS=OFF leaves them out)")
endif()

if(VITQ_BENCH)
  find_package(benchmark CONFIG QUIET)
  vitq_require("${benchmark_FOUND}" "Google Benchmark" libbenchmark-dev "bench/ (VITQ_BENCH=OFF leaves it out)")
endif()

message(STATUS "vitq: oneDNN ${dnnl_VERSION}, OpenMP ${OpenMP_CXX_VERSION}, nlohmann_json ${nlohmann_json_VERSION}, "
               "libcurl ${CURL_VERSION_STRING}")
