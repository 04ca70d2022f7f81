# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Wireshark itself, in a window: needs what tools/setup --gui installs.
add_test(NAME gui_picture COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/picture.sh)
set_tests_properties(gui_picture PROPERTIES
	LABELS gui
	ENVIRONMENT TLSPCAP=${CMAKE_BINARY_DIR}/tlspcap
	SKIP_RETURN_CODE 77
	RUN_SERIAL ON
	TIMEOUT 300)
