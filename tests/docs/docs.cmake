# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# tests/docs/manual: the manual pages and --help name the same options; links between the
# Markdown files lead somewhere.
add_test(NAME docs_manual COMMAND ${CMAKE_CURRENT_LIST_DIR}/manual
	$<TARGET_FILE:tlspcap> $<TARGET_FILE:tlspcap-replay>)
set_tests_properties(docs_manual PROPERTIES LABELS unit TIMEOUT 60)

add_test(NAME docs_completions COMMAND ${CMAKE_CURRENT_LIST_DIR}/completions
	$<TARGET_FILE:tlspcap>)
set_tests_properties(docs_completions PROPERTIES LABELS unit TIMEOUT 60)
