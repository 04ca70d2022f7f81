# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Wireshark itself, in a window: needs what tools/setup --gui installs.
foreach(name picture file-set)
	add_test(NAME gui_${name} COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/${name}.sh)
	set_tests_properties(gui_${name} PROPERTIES
		LABELS gui
		ENVIRONMENT TLSPCAP=${CMAKE_BINARY_DIR}/tlspcap
		SKIP_RETURN_CODE 77
		RUN_SERIAL ON
		TIMEOUT 300)
endforeach()
