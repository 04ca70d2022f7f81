# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# tests/e2e/<name>.sh: a test with real programs. Each stands alone; see lib.sh.
# They need root and a kernel that loads the probes, and are skipped (77) without.

# Programs of our own that do with TLS what no usual program does.
find_package(OpenSSL)
file(GLOB E2E_PROGRAMS CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/programs/*.c)
if(OPENSSL_FOUND)
	foreach(source ${E2E_PROGRAMS})
		get_filename_component(name ${source} NAME_WE)
		add_executable(e2e_${name} ${source})
		target_link_libraries(e2e_${name} PRIVATE tlspcap_flags OpenSSL::SSL)
		set_target_properties(e2e_${name} PROPERTIES
			RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/e2e)
	endforeach()
endif()

# A file system of our own, on which writing goes wrong.
pkg_check_modules(FUSE3 IMPORTED_TARGET fuse3)
if(FUSE3_FOUND)
	add_executable(e2e_faulty_fs ${CMAKE_CURRENT_LIST_DIR}/programs/fuse/faulty_fs.c)
	target_link_libraries(e2e_faulty_fs PRIVATE tlspcap_flags PkgConfig::FUSE3)
	set_target_properties(e2e_faulty_fs PROPERTIES
		RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/e2e)
endif()

file(GLOB E2E_TESTS CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.sh)
foreach(script ${E2E_TESTS})
	get_filename_component(name ${script} NAME_WE)
	if(name STREQUAL lib OR name STREQUAL oracle)
		continue()
	endif()
	add_test(NAME e2e_${name} COMMAND bash ${script})
	set_tests_properties(e2e_${name} PROPERTIES
		LABELS e2e
		ENVIRONMENT TLSPCAP=${CMAKE_BINARY_DIR}/tlspcap
		SKIP_RETURN_CODE 77
		RUN_SERIAL ON
		TIMEOUT 300)
endforeach()

# The table of libraries, a label of its own: ctest -L libraries
add_test(NAME e2e_libraries COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/libraries/libraries.sh)
set_tests_properties(e2e_libraries PROPERTIES
	LABELS libraries
	ENVIRONMENT TLSPCAP=${CMAKE_BINARY_DIR}/tlspcap
	SKIP_RETURN_CODE 77
	RUN_SERIAL ON
	TIMEOUT 1200)
