import { useMutation } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { client } from '../../api/client.ts';

/**
 * Goes on with a session or a conversation from before, and shows it.
 * @param options `replace`: in place of a dialog, so that the way back leads to the list
 */
export function useResume({ replace = false }: { replace?: boolean } = {}) {
  const navigate = useNavigate();
  return useMutation({
    mutationFn: ({ id, force = false }: { id: string; force?: boolean }) =>
      client.sessions.create({ resume_session_id: id, ...(force && { force }) }),
    onSuccess: ({ id }) => navigate({ to: '/sessions/$sessionId', params: { sessionId: id }, replace }),
  });
}
