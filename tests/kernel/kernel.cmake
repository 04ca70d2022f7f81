# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Other kernels, in virtual machines: the short form is a test, tools/test-kernels runs the whole.
add_test(NAME kernels_short COMMAND ${CMAKE_SOURCE_DIR}/tools/test-kernels --short)
set_tests_properties(kernels_short PROPERTIES
	LABELS kernel-short
	ENVIRONMENT TLSPCAP=${CMAKE_BINARY_DIR}/tlspcap
	SKIP_RETURN_CODE 77
	RUN_SERIAL ON
	TIMEOUT 1200)

add_test(NAME kernels_table COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/table.sh)
set_tests_properties(kernels_table PROPERTIES LABELS unit TIMEOUT 60)

# Another processor.
if(CMAKE_SYSTEM_PROCESSOR STREQUAL x86_64)
	add_test(NAME build_arm64 COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/build-arm64.sh
		${CMAKE_BINARY_DIR}/arm64)
	set_tests_properties(build_arm64 PROPERTIES
		LABELS build
		SKIP_RETURN_CODE 77
		TIMEOUT 900)
endif()
