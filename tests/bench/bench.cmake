# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# tests/bench/NAME.c: bench-NAME, run by hand or with ctest -L bench -V; they fail only when
# what they measure does not work.
file(GLOB BENCH_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.c)
foreach(source ${BENCH_SOURCES})
	get_filename_component(name ${source} NAME_WE)
	add_executable(bench-${name} ${source})
	target_link_libraries(bench-${name} PRIVATE writer conversation)
	if(name STREQUAL "decrypt")
		target_link_libraries(bench-${name} PRIVATE test_tls)
	endif()
	add_test(NAME bench_${name} COMMAND bench-${name})
	set_tests_properties(bench_${name} PROPERTIES LABELS bench TIMEOUT 300)
endforeach()

# tests/bench/NAME.sh: the same with real programs, as root.
file(GLOB BENCH_SCRIPTS CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.sh)
foreach(script ${BENCH_SCRIPTS})
	get_filename_component(name ${script} NAME_WE)
	add_test(NAME bench_${name} COMMAND bash ${script})
	set_tests_properties(bench_${name} PROPERTIES
		LABELS bench
		ENVIRONMENT TLSPCAP=${CMAKE_BINARY_DIR}/tlspcap
		SKIP_RETURN_CODE 77
		RUN_SERIAL ON
		TIMEOUT 1800)
endforeach()
