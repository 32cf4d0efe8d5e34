# The install: the program, libvitq as an archive and as a shared library, include/vitq, a CMake package and a
# pkg-config file. Both libraries are the rooms' own objects, so nothing is compiled twice.
include(CMakePackageConfigHelpers)

set(VITQ_ROOMS engine kernels gemm layers picture weights models quant api)
set(VITQ_OBJECTS)
foreach(room ${VITQ_ROOMS})
  list(APPEND VITQ_OBJECTS $<TARGET_OBJECTS:vitq_${room}>)
endforeach()

# vitq_library(NAME KIND): a target of that kind, known outside as vitq::NAME.
function(vitq_library name kind)
  add_library(vitq_${name} ${kind} ${VITQ_OBJECTS})
  set_target_properties(vitq_${name} PROPERTIES OUTPUT_NAME vitq EXPORT_NAME ${name} LINKER_LANGUAGE CXX
                                                VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  target_compile_features(vitq_${name} INTERFACE cxx_std_20)
  target_include_directories(vitq_${name} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(vitq_${name} PRIVATE DNNL::dnnl OpenMP::OpenMP_CXX libjpeg-turbo::jpeg libzip::zip)
endfunction()
vitq_library(vitq SHARED)
vitq_library(static STATIC)

# The standard library's templates would be visible all the same.
set(VITQ_SYMBOLS ${PROJECT_SOURCE_DIR}/api/symbols.map)
target_link_options(vitq_vitq PRIVATE LINKER:--version-script=${VITQ_SYMBOLS})
# clang's sanitizers stand in the program alone.
if(NOT VITQ_FUZZ)
  target_link_options(vitq_vitq PRIVATE LINKER:--no-undefined)
endif()
set_target_properties(vitq_vitq PROPERTIES LINK_DEPENDS ${VITQ_SYMBOLS})

set(VITQ_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/vitq)
install(TARGETS vitq RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS vitq_vitq vitq_static EXPORT vitqTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/vitq DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT vitqTargets NAMESPACE vitq:: DESTINATION ${VITQ_PACKAGE_DIR})
configure_package_config_file(third_party/vitqConfig.cmake.in ${PROJECT_BINARY_DIR}/vitqConfig.cmake
                              INSTALL_DESTINATION ${VITQ_PACKAGE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/vitqConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/vitqConfig.cmake ${PROJECT_BINARY_DIR}/vitqConfigVersion.cmake
        DESTINATION ${VITQ_PACKAGE_DIR})
file(RELATIVE_PATH VITQ_PC_UP /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(third_party/vitq.pc.in ${PROJECT_BINARY_DIR}/vitq.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/vitq.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
