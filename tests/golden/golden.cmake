# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# tests/golden/NAME.events: events in words (make-recording.c says how), and in its comments
# what to do with them: "# replay: ARGUMENTS", "# tshark: ARGUMENTS", and "# recording: FILE"
# in place of events (make-recordings made it). NAME.expected: what tshark must say. `tests/golden/run --accept` rewrites the expected files.
add_executable(make-recording ${CMAKE_CURRENT_LIST_DIR}/make-recording.c)
target_link_libraries(make-recording PRIVATE record output)
if(TARGET tlspcap-replay)
	file(GLOB GOLDEN_EVENTS CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.events)
	foreach(events ${GOLDEN_EVENTS})
		get_filename_component(name ${events} NAME_WE)
		add_test(NAME golden_${name}
			COMMAND ${CMAKE_CURRENT_LIST_DIR}/run $<TARGET_FILE:make-recording>
				$<TARGET_FILE:tlspcap-replay> ${events})
		set_tests_properties(golden_${name} PROPERTIES LABELS golden TIMEOUT 120
			SKIP_RETURN_CODE 77)
	endforeach()
endif()
