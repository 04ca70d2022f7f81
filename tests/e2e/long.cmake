# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# tests/e2e/long/<name>.sh: as those in tests/e2e, but they take minutes and gigabytes:
#
#	ctest -L e2e-long
file(GLOB E2E_LONG_TESTS CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/long/*.sh)
foreach(script ${E2E_LONG_TESTS})
	get_filename_component(name ${script} NAME_WE)
	set(seconds 1200)
	if(name STREQUAL "go")
		set(seconds 7200)
	endif()
	add_test(NAME e2e_long_${name} COMMAND bash ${script})
	set_tests_properties(e2e_long_${name} PROPERTIES
		LABELS e2e-long
		ENVIRONMENT TLSPCAP=${CMAKE_BINARY_DIR}/tlspcap
		SKIP_RETURN_CODE 77
		RUN_SERIAL ON
		TIMEOUT ${seconds})
endforeach()
