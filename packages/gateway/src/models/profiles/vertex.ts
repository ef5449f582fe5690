import type { Dialect } from '../../upstream/target.ts';
import type { CloudSettings, ProfileContext, Profiles } from './profile.ts';

function cloud(
  dialect: Dialect,
  isOpenModel: boolean,
  { own, key, first, missing }: ProfileContext,
): CloudSettings {
  const project = own.project ?? first(['GOOGLE_VERTEX_PROJECT', 'VERTEXAI_PROJECT', 'GOOGLE_CLOUD_PROJECT']);
  const location = own.location ?? first(['GOOGLE_VERTEX_LOCATION', 'VERTEXAI_LOCATION']) ?? 'us-central1';
  // Express mode, in which an API key is enough, is for Gemini only.
  const isExpress = key !== undefined && dialect === 'google-vertex' && !isOpenModel;
  if (!project && !isExpress) missing.push('GOOGLE_VERTEX_PROJECT');
  return {
    project,
    location,
    credentials: first(['GOOGLE_APPLICATION_CREDENTIALS']),
    variables: {
      GOOGLE_VERTEX_PROJECT: project,
      GOOGLE_VERTEX_LOCATION: location,
      GOOGLE_VERTEX_ENDPOINT: first(['GOOGLE_VERTEX_ENDPOINT']) ?? hostOf(location),
    },
  };
}

function hostOf(location: string): string {
  if (location === 'global') return 'aiplatform.googleapis.com';
  if (location === 'eu' || location === 'us') return `aiplatform.${location}.rep.googleapis.com`;
  return `${location}-aiplatform.googleapis.com`;
}

export const vertex: Profiles = {
  'google-vertex': {
    aliases: ['vertex', 'vertex_ai'],
    routes: [['gemini/']],
    dialect: 'google-vertex',
    keyNames: ['GOOGLE_VERTEX_API_KEY'],
    credentialNames: ['GOOGLE_VERTEX_API_KEY', 'GOOGLE_APPLICATION_CREDENTIALS'],
    keyless: true,
    pricingName: 'google',
    hasOpenModels: true,
    cloud,
  },
  'google-vertex-anthropic': {
    dialect: 'google-vertex-anthropic',
    credentialNames: ['GOOGLE_APPLICATION_CREDENTIALS'],
    keyless: true,
    pricingName: 'google',
    cloud,
  },
};
